//! Where Podman keeps an ordinary user's images and containers when it is told nothing else, found
//! without starting it: on a file server it would begin to lock and to write there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The folder, by the same files and variables that Podman goes by (containers-storage.conf(5));
/// none where even the home folder is not told.
pub(crate) fn usual_store() -> Option<PathBuf> {
    let system = [
        "/etc/containers/storage.conf",
        "/usr/share/containers/storage.conf",
    ];
    let system = system.into_iter().find_map(|path| read(Path::new(path)));
    told_by(|name| std::env::var_os(name), system.as_ref())
}

fn told_by(
    variable: impl Fn(&str) -> Option<OsString>,
    system: Option<&Storage>,
) -> Option<PathBuf> {
    let folder =
        |name: &str| Some(PathBuf::from(variable(name)?)).filter(|path| path.is_absolute());
    let home = folder("HOME");
    let below_home = |name: &str| Some(home.as_ref()?.join(name));
    let own_file = variable("CONTAINERS_STORAGE_CONF")
        .map(PathBuf::from)
        .or_else(|| {
            let settings = folder("XDG_CONFIG_HOME").or_else(|| below_home(".config"))?;
            Some(settings.join("containers/storage.conf"))
        });
    let own = own_file.and_then(|path| read(&path)).unwrap_or_default();
    // The system's `graphroot` is root's.
    let told = [own.graphroot, own.rootless_storage_path]
        .into_iter()
        .chain([system.and_then(|system| system.rootless_storage_path.clone())])
        .flatten()
        .find(|path| !path.is_empty());
    match told {
        Some(path) => Some(expanded(&path, variable)),
        None => {
            let data = folder("XDG_DATA_HOME").or_else(|| below_home(".local/share"))?;
            Some(data.join("containers/storage"))
        }
    }
}

/// The variables that may stand in such a path.
fn expanded(path: &str, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let user = rustix::process::geteuid().as_raw().to_string();
    let value = |name: &str| match variable(name) {
        Some(value) => value.to_string_lossy().into_owned(),
        None => String::new(),
    };
    path.replace("$HOME", &value("HOME"))
        .replace("$USER", &value("USER"))
        .replace("$UID", &user)
        .into()
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    storage: Storage,
}

/// What a `storage.conf` says of it.
#[derive(Debug, Default, Deserialize)]
struct Storage {
    graphroot: Option<String>,
    rootless_storage_path: Option<String>,
}

/// What is in the file; none where there is none, or none that Podman could read.
fn read(path: &Path) -> Option<Storage> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(toml::from_str::<File>(&text).ok()?.storage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)], system: Option<&str>) -> Option<PathBuf> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let system = system.map(|path| Storage {
            rootless_storage_path: Some(path.to_owned()),
            ..Storage::default()
        });
        told_by(variable, system.as_ref())
    }

    #[test]
    fn the_home_folder_has_it_unless_a_variable_or_a_file_says_otherwise() {
        let home = ("HOME", "/home/u");
        let in_home = Path::new("/home/u/.local/share/containers/storage");
        assert_eq!(told(&[home], None).as_deref(), Some(in_home));
        let data = ("XDG_DATA_HOME", "/data");
        let in_data = Path::new("/data/containers/storage");
        assert_eq!(told(&[home, data], None).as_deref(), Some(in_data));
        let for_all = told(&[home, ("USER", "u")], Some("/scratch/$USER/images"));
        assert_eq!(for_all.as_deref(), Some(Path::new("/scratch/u/images")));
        assert_eq!(told(&[], None), None);
    }

    #[test]
    fn a_file_of_the_user_s_prevails() {
        let settings = tempfile::tempdir().unwrap();
        let file = settings.path().join("containers/storage.conf");
        std::fs::create_dir(settings.path().join("containers")).unwrap();
        let settings = ("XDG_CONFIG_HOME", settings.path().to_str().unwrap());
        let home = ("HOME", "/home/u");
        let text = "[storage]\ndriver = \"overlay\"\ngraphroot = \"/local/u\"\n[storage.options]\nsize = \"1G\"\n";
        for (text, store) in [
            (text, "/local/u"),
            (
                "[storage]\nrootless_storage_path = \"$HOME/x\"",
                "/home/u/x",
            ),
            ("[storage]\ndriver = \"vfs\"", "/for/all"),
            ("no toml", "/for/all"),
        ] {
            std::fs::write(&file, text).unwrap();
            let found = told(&[home, settings], Some("/for/all"));
            assert_eq!(found.as_deref(), Some(Path::new(store)), "{text}");
        }
        let named = ("CONTAINERS_STORAGE_CONF", file.to_str().unwrap());
        std::fs::write(&file, "[storage]\ngraphroot = \"/named\"").unwrap();
        let found = told(&[home, named], None);
        assert_eq!(found.as_deref(), Some(Path::new("/named")));
    }
}
