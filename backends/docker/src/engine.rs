//! Docker as an [`Engine`].

use std::collections::HashMap;
use std::sync::OnceLock;

use async_trait::async_trait;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, DeviceRequest, HostConfig, HostConfigLogConfig, Mount, MountType,
    SystemInfoCgroupVersionEnum,
};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, ImportImageOptions, ListContainersOptions,
    ListImagesOptions, RemoveContainerOptions, RemoveImageOptions, TagImageOptions,
};
use bytes::Bytes;
use segarena_container::engine::{About, Engine, Image, Input, Output, State, TarStream};
use segarena_container::limits::{Devices, Limits, graphics_cards};
use segarena_container::request::{ContainerRequest, OWNER_LABEL};
use segarena_contract::{BackendError, BackendErrorKind, LogStream};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

use crate::failure::{of, status};

/// A Docker engine.
#[derive(Debug)]
pub struct DockerEngine {
    socket: Option<String>,
    /// Empty as long as there is no socket: a configuration can be checked without its engine.
    client: OnceLock<Docker>,
}

impl DockerEngine {
    /// The engine at this socket, else at `DOCKER_HOST`, else at Docker's own place.
    ///
    /// # Errors
    /// When the address is none.
    pub fn connect(socket: Option<&str>) -> Result<Self, BackendError> {
        let client = match open(socket) {
            Ok(client) => OnceLock::from(client),
            Err(Error::SocketNotFoundError(_)) => OnceLock::new(),
            Err(error) => return Err(of(ADDRESS, error)),
        };
        Ok(Self {
            socket: socket.map(str::to_owned),
            client,
        })
    }

    /// The client, which a socket that was not there at first may have by now.
    fn docker(&self) -> Result<&Docker, BackendError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = open(self.socket.as_deref()).map_err(|error| of(ADDRESS, error))?;
        Ok(self.client.get_or_init(|| client))
    }
}

impl DockerEngine {
    /// A container's streams.
    async fn attached(
        &self,
        container: &str,
        options: AttachContainerOptions,
    ) -> Result<(Output, Input), BackendError> {
        let attached = self
            .docker()?
            .attach_container(container, Some(options))
            .await
            .map_err(|error| of("listening to a container", error))?;
        let (sender, receiver) = mpsc::channel(64);
        let mut pieces = attached.output;
        tokio::spawn(async move {
            while let Some(Ok(output)) = pieces.next().await {
                let piece = match output {
                    LogOutput::StdErr { message } => (LogStream::Stderr, message),
                    other => (LogStream::Stdout, other.into_bytes()),
                };
                if sender.send((piece.0, piece.1.to_vec())).await.is_err() {
                    return;
                }
            }
        });
        Ok((receiver, attached.input))
    }
}

fn open(socket: Option<&str>) -> Result<Docker, Error> {
    let docker = match socket {
        Some(address) if address.contains("://") => Docker::connect_with_host(address),
        Some(path) => Docker::connect_with_host(&format!("unix://{path}")),
        None => Docker::connect_with_defaults(),
    };
    // A submission may run for hours before the engine answers that it ended.
    Ok(docker?.with_timeout(std::time::Duration::from_secs(7 * 24 * 3600)))
}

/// What is told of an address that is none.
const ADDRESS: &str = "the engine's address";

#[async_trait]
impl Engine for DockerEngine {
    fn kind(&self) -> &'static str {
        crate::KIND
    }

    async fn about(&self) -> Result<About, BackendError> {
        let asking = |error| of("asking the engine what it is", error);
        let info = self.docker()?.info().await.map_err(asking)?;
        let runtimes = info.runtimes.unwrap_or_default();
        let gpus = runtimes.contains_key("nvidia").then(graphics_cards);
        let rootless = info
            .security_options
            .unwrap_or_default()
            .iter()
            .any(|option| option.contains("rootless"));
        Ok(About {
            name: "Docker Engine".to_owned(),
            version: info.server_version.unwrap_or_default(),
            rootless,
            cgroup_version: match info.cgroup_version {
                Some(SystemInfoCgroupVersionEnum::_2) => 2,
                _ => 1,
            },
            architecture: as_go_names(&info.architecture.unwrap_or_default()),
            memory: info.memory_limit.unwrap_or(false),
            swap: info.swap_limit.unwrap_or(false),
            pids: info.pids_limit.unwrap_or(false),
            cpus: info.cpu_cfs_quota.unwrap_or(false),
            gpus,
            store: info.docker_root_dir.map(Into::into),
            caution: None,
            facts: vec![("storage".to_owned(), info.driver.unwrap_or_default())],
        })
    }

    async fn load(&self, tar: TarStream) -> Result<Vec<String>, BackendError> {
        let failed = |error| of("loading the archive", error);
        let pieces = tar.map(|piece| piece.map(Bytes::from));
        let mut answers = self.docker()?.import_image_stream(
            ImportImageOptions {
                quiet: true,
                ..ImportImageOptions::default()
            },
            pieces,
            None,
        );
        let mut loaded = Vec::new();
        while let Some(answer) = answers.next().await {
            let answer = answer.map_err(failed)?;
            if let Some(message) = answer.error_detail.and_then(|detail| detail.message) {
                return Err(failed(Error::DockerStreamError { error: message }));
            }
            let text = answer.stream.unwrap_or_default();
            loaded.extend(text.lines().filter_map(|line| {
                let id = line.strip_prefix("Loaded image ID: ")?;
                Some(id.trim().to_owned())
            }));
        }
        Ok(loaded)
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, BackendError> {
        match self.docker()?.inspect_image(reference).await {
            Ok(image) => {
                let config = image.config.unwrap_or_default();
                Ok(Some(Image {
                    id: image.id.unwrap_or_default(),
                    names: image.repo_tags.unwrap_or_default(),
                    architecture: image.architecture.unwrap_or_default(),
                    user: config.user.unwrap_or_default(),
                    size: image.size.unwrap_or(0).try_into().unwrap_or(0),
                    workdir: config.working_dir.unwrap_or_default(),
                    entrypoint: config.entrypoint.unwrap_or_default(),
                }))
            }
            // 400: no name that an image could have.
            Err(error) if matches!(status(&error), Some(404 | 400)) => Ok(None),
            Err(error) => Err(of("looking for an image", error)),
        }
    }

    async fn image_names(&self) -> Result<Vec<String>, BackendError> {
        let images = self
            .docker()?
            .list_images(None::<ListImagesOptions>)
            .await
            .map_err(|error| of("listing images", error))?;
        Ok(images
            .into_iter()
            .flat_map(|image| image.repo_tags.into_iter().chain([image.id]))
            .collect())
    }

    async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<(), BackendError> {
        let options = TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
        };
        self.docker()?
            .tag_image(image, Some(options))
            .await
            .map_err(|error| of("naming an image", error))
    }

    async fn remove_image(&self, reference: &str) -> Result<(), BackendError> {
        let removed = self
            .docker()?
            .remove_image(reference, None::<RemoveImageOptions>, None)
            .await;
        match removed {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(404) => Ok(()),
            Err(error) => Err(of("removing an image", error)),
        }
    }

    async fn owned_containers(&self) -> Result<Vec<(String, String)>, BackendError> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([(
                "label".to_owned(),
                vec![OWNER_LABEL.to_owned()],
            )])),
            ..ListContainersOptions::default()
        };
        let containers = self
            .docker()?
            .list_containers(Some(options))
            .await
            .map_err(|error| of("listing containers", error))?;
        Ok(containers
            .into_iter()
            .filter_map(|container| {
                let owner = container.labels?.remove(OWNER_LABEL)?;
                Some((container.id?, owner))
            })
            .collect())
    }

    async fn create(&self, request: &ContainerRequest) -> Result<String, BackendError> {
        let options = CreateContainerOptions {
            name: Some(request.name.clone()),
            ..CreateContainerOptions::default()
        };
        self.docker()?
            .create_container(Some(options), container(request))
            .await
            .map(|created| created.id)
            .map_err(|error| of("creating a container", error))
    }

    async fn listen(&self, container: &str) -> Result<Output, BackendError> {
        let options = AttachContainerOptions {
            stream: true,
            stdout: true,
            stderr: true,
            ..AttachContainerOptions::default()
        };
        Ok(self.attached(container, options).await?.0)
    }

    async fn attach(&self, container: &str) -> Result<(Output, Input), BackendError> {
        let options = AttachContainerOptions {
            stream: true,
            stdin: true,
            stdout: true,
            stderr: true,
            ..AttachContainerOptions::default()
        };
        self.attached(container, options).await
    }

    async fn start(&self, container: &str) -> Result<(), BackendError> {
        let started = self.docker()?.start_container(container, None).await;
        started.map_err(|error| of("starting a container", error))
    }

    async fn wait(&self, container: &str) -> Result<i32, BackendError> {
        let mut answers = std::pin::pin!(self.docker()?.wait_container(container, None));
        let code = match answers.next().await {
            Some(Ok(answer)) => answer.status_code,
            // The client's word for an exit status other than 0.
            Some(Err(Error::DockerContainerWaitError { code, .. })) => code,
            Some(Err(error)) => return Err(of("waiting for a container", error)),
            None => {
                let message = "docker: the engine stopped answering for a container";
                return Err(BackendError::new(BackendErrorKind::Unavailable, message).temporary());
            }
        };
        Ok(i32::try_from(code).unwrap_or(-1))
    }

    async fn state(&self, container: &str) -> Result<State, BackendError> {
        let state = self
            .docker()?
            .inspect_container(container, None)
            .await
            .map_err(|error| of("looking at a container", error))?
            .state
            .unwrap_or_default();
        Ok(State {
            pid: state.pid.unwrap_or(0).try_into().unwrap_or(0),
            out_of_memory: state.oom_killed.unwrap_or(false),
        })
    }

    async fn kill(&self, container: &str) -> Result<(), BackendError> {
        match self.docker()?.kill_container(container, None).await {
            Ok(()) => Ok(()),
            // Gone, or ended already.
            Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(()),
            Err(error) => Err(of("killing a container", error)),
        }
    }

    async fn remove(&self, container: &str) -> Result<(), BackendError> {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            ..RemoveContainerOptions::default()
        };
        match self
            .docker()?
            .remove_container(container, Some(options))
            .await
        {
            Ok(()) => Ok(()),
            // Gone, or somebody else is removing it.
            Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(()),
            Err(error) => Err(of("removing a container", error)),
        }
    }
}

fn container(request: &ContainerRequest) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(request.image.clone()),
        cmd: Some(request.argv.clone()),
        user: request.user.clone(),
        env: Some(request.env_lines()),
        labels: Some(request.labels.clone().into_iter().collect()),
        attach_stdin: Some(request.interactive),
        open_stdin: Some(request.interactive),
        stdin_once: Some(request.interactive),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host(request, &request.limits)),
        ..ContainerCreateBody::default()
    }
}

fn host(request: &ContainerRequest, limits: &Limits) -> HostConfig {
    HostConfig {
        binds: request.relabel.then(|| relabelled(request)),
        mounts: (!request.relabel).then(|| mounts(request)),
        memory: limits.memory,
        memory_swap: limits.memory_swap,
        nano_cpus: limits.cpus.map(|cpus| (cpus * 1e9) as i64),
        pids_limit: limits.pids,
        shm_size: limits.shm_size,
        network_mode: Some(limits.network.clone()),
        security_opt: limits
            .no_new_privileges
            .then(|| vec!["no-new-privileges".to_owned()]),
        device_requests: device_request(&limits.gpus).map(|request| vec![request]),
        cap_drop: request.strict.then(|| vec!["ALL".to_owned()]),
        readonly_rootfs: Some(request.strict),
        tmpfs: Some(request.tmpfs.clone().into_iter().collect()),
        // What it prints is kept by us: the engine's own copy would fill its disk.
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }),
        ..HostConfig::default()
    }
}

/// The folders as structures, so that a path may hold any character.
fn mounts(request: &ContainerRequest) -> Vec<Mount> {
    let bind = |(host, inside): &(String, &'static str)| Mount {
        typ: Some(MountType::BIND),
        source: Some(host.clone()),
        target: Some((*inside).to_owned()),
        read_only: Some(false),
        ..Mount::default()
    };
    request.folders.binds.iter().map(bind).collect()
}

/// The folders as `HOST:CONTAINER:OPTIONS`: only so can Docker be asked to relabel them for
/// SELinux.
fn relabelled(request: &ContainerRequest) -> Vec<String> {
    let lines = request.folders.binds.iter();
    lines
        .map(|(host, inside)| format!("{host}:{inside}:rw,z"))
        .collect()
}

fn device_request(gpus: &Devices) -> Option<DeviceRequest> {
    let (count, device_ids) = match gpus {
        Devices::None => return None,
        Devices::All => (Some(-1), None),
        Devices::Ids(ids) | Devices::OneOf(ids) => (None, Some(ids.clone())),
    };
    Some(DeviceRequest {
        count,
        device_ids,
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    })
}

/// The kernel's name of an architecture as Go, and so every image, spells it.
fn as_go_names(machine: &str) -> String {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" => "arm",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphics_cards_are_a_request_for_devices() {
        assert_eq!(device_request(&Devices::None), None);
        let all = device_request(&Devices::All).unwrap();
        assert_eq!((all.count, all.device_ids), (Some(-1), None));
        let one = device_request(&Devices::Ids(vec!["1".to_owned()])).unwrap();
        assert_eq!(one.device_ids, Some(vec!["1".to_owned()]));
        assert_eq!(one.capabilities, Some(vec![vec!["gpu".to_owned()]]));
    }
}
