//! A container as libpod is asked for it (`SpecGenerator` of Podman's API).

use rustix::process::{Resource, getrlimit};
use segarena_container::limits::Devices;
use segarena_container::request::ContainerRequest;
use serde_json::{Value, json};

/// The body of a create request.
pub(crate) fn of(request: &ContainerRequest) -> Value {
    let limits = &request.limits;
    let mut spec = json!({
        "image": request.image,
        "name": request.name,
        "command": request.argv,
        "env": request.env,
        "labels": request.labels,
        "mounts": mounts(request),
        "stdin": request.interactive,
        "no_new_privileges": limits.no_new_privileges,
        "read_only_filesystem": request.strict,
        // What it prints is kept by us: the engine's own copy would fill its disk.
        "log_configuration": {"driver": "none"},
        "r_limits": [
            ceiling("nofile", Resource::Nofile, 1 << 20),
            // Podman lowers its own limit to this, the kernel's usual number of processes.
            ceiling("nproc", Resource::Nproc, 1 << 15),
        ],
        "netns": network(&limits.network),
        "resource_limits": {
            "memory": {"limit": limits.memory, "swap": limits.memory_swap},
            "pids": {"limit": limits.pids.unwrap_or(0)},
            "cpu": limits.cpus.map(|cpus| json!({
                "period": CPU_PERIOD,
                "quota": (cpus * CPU_PERIOD as f64) as i64,
            })),
        },
    });
    let optional = [
        ("user", request.user.as_ref().map(|it| json!(it))),
        ("shm_size", limits.shm_size.map(|it| json!(it))),
        ("cap_drop", request.strict.then(|| json!(["all"]))),
        ("devices", devices(&limits.gpus)),
        // The namespace that Podman would choose on cgroup v1 shows the host's groups.
        ("cgroupns", Some(json!({"nsmode": "private"}))),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            spec[key] = value;
        }
    }
    spec
}

/// In microseconds, the kernel's default.
const CPU_PERIOD: u64 = 100_000;

/// `bound`, but never above what this process may have: Podman's own default is a fixed number,
/// which fails where even root may not set it.
fn ceiling(name: &str, resource: Resource, bound: u64) -> Value {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(bound);
    json!({"type": name, "soft": most, "hard": most})
}

fn network(name: &str) -> Value {
    match name {
        "none" | "host" | "bridge" | "slirp4netns" | "pasta" => json!({"nsmode": name}),
        other => json!({"nsmode": "bridge", "value": other}),
    }
}

fn mounts(request: &ContainerRequest) -> Vec<Value> {
    let mut options = vec!["rbind", "rw"];
    if request.relabel {
        options.push("z");
    }
    let binds = request.folders.binds.iter().map(|(host, inside)| {
        json!({"type": "bind", "source": host, "destination": inside, "options": options})
    });
    let tmpfs = request.tmpfs.iter().map(|(path, options)| {
        let options: Vec<&str> = options.split(',').collect();
        json!({"type": "tmpfs", "source": "tmpfs", "destination": path, "options": options})
    });
    binds.chain(tmpfs).collect()
}

/// Graphics cards by the names that the Container Device Interface gives them.
fn devices(gpus: &Devices) -> Option<Value> {
    let card = |id: &String| json!({"path": format!("nvidia.com/gpu={id}")});
    match gpus {
        Devices::None => None,
        Devices::All => Some(json!([card(&"all".to_owned())])),
        Devices::Ids(ids) | Devices::OneOf(ids) => Some(ids.iter().map(card).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphics_cards_are_asked_for_by_their_names_in_the_device_interface() {
        assert_eq!(devices(&Devices::None), None);
        assert_eq!(
            devices(&Devices::All),
            Some(json!([{"path": "nvidia.com/gpu=all"}]))
        );
        let two = Devices::Ids(vec!["0".to_owned(), "GPU-5a".to_owned()]);
        assert_eq!(
            devices(&two),
            Some(json!([{"path": "nvidia.com/gpu=0"}, {"path": "nvidia.com/gpu=GPU-5a"}]))
        );
    }

    #[test]
    fn a_network_that_podman_has_no_word_for_is_a_bridge_of_that_name() {
        assert_eq!(network("none"), json!({"nsmode": "none"}));
        assert_eq!(network("lab"), json!({"nsmode": "bridge", "value": "lab"}));
    }
}
