//! Podman as an [`Engine`].

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use segarena_container::engine::{About, Engine, Image, Input, Output, State, TarStream};
use segarena_container::limits::graphics_cards;
use segarena_container::request::{ContainerRequest, OWNER_LABEL};
use segarena_contract::BackendError;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use crate::failure::{Error, of, of_store, status};
use crate::libpod::Libpod;
use crate::place::Place;
use crate::root;
use crate::service::{self, Service};
use crate::spec;

/// A Podman engine.
#[derive(Debug)]
pub struct PodmanEngine {
    socket: Option<String>,
    ours: Mutex<Ours>,
    /// The folder of its images and containers, once it has told it.
    store: OnceCell<PathBuf>,
}

/// What there is while Podman is spoken to.
#[derive(Debug, Default)]
struct Ours {
    connection: Option<Arc<Connection>>,
    /// Where services of ours are, once one was started; images are there as long as it is.
    place: Option<Arc<Place>>,
}

#[derive(Debug)]
struct Connection {
    libpod: Libpod,
    /// The service at the other end, where we have started it.
    own: Option<Service>,
}

impl Connection {
    fn is_alive(&self) -> bool {
        self.own.as_ref().is_none_or(Service::is_alive)
    }
}

impl Ours {
    /// A service, and its socket: where the one before was, if there was one.
    async fn start_service(&mut self) -> Result<(Service, PathBuf), BackendError> {
        if let Some(place) = &self.place {
            return Ok((Service::start_in(place).await?, place.socket()));
        }
        let (service, place) = Service::start().await?;
        let socket = place.socket();
        self.place = Some(Arc::new(place));
        Ok((service, socket))
    }
}

impl PodmanEngine {
    /// The engine at this socket, else the one that listens here, else one of our own.
    pub fn new(socket: Option<String>) -> Self {
        Self {
            socket,
            ours: Mutex::default(),
            store: OnceCell::new(),
        }
    }

    /// The connection there is, or a new one: a service of ours that died is started again.
    async fn connected(&self) -> Result<Arc<Connection>, BackendError> {
        let mut ours = self.ours.lock().await;
        if let Some(connection) = ours.connection.as_ref().filter(|old| old.is_alive()) {
            return Ok(Arc::clone(connection));
        }
        let (socket, own) = match service::running(self.socket.as_deref())? {
            Some(socket) => (socket, None),
            None => {
                let (service, socket) = ours.start_service().await?;
                (socket, Some(service))
            }
        };
        let new = Arc::new(Connection {
            libpod: Libpod::new(&socket),
            own,
        });
        ours.connection = Some(Arc::clone(&new));
        Ok(new)
    }

    /// Where services of ours are, if one was started.
    async fn place(&self) -> Option<Arc<Place>> {
        self.ours.lock().await.place.clone()
    }

    /// The answer that lists all there is of something.
    async fn list(&self, doing: &str, path: &str) -> Result<Value, BackendError> {
        let answer = self.connected().await?.libpod.get_from_store(path).await;
        answer.map_err(|error| of_store(doing, error))
    }

    async fn inspect(&self, container: &str) -> Result<Value, BackendError> {
        let path = format!("/containers/{container}/json");
        let answer = self.connected().await?.libpod.get(&path).await;
        answer.map_err(|error| of("looking at a container", error))
    }
}

#[async_trait]
impl Engine for PodmanEngine {
    fn kind(&self) -> &'static str {
        crate::KIND
    }

    async fn about(&self) -> Result<About, BackendError> {
        let info = self
            .connected()
            .await?
            .libpod
            .get("/info")
            .await
            .map_err(|error| of("asking the engine what it is", error))?;
        let store: Option<PathBuf> = info["store"]["graphRoot"].as_str().map(Into::into);
        if let Some(store) = &store {
            // It is the same whenever it is told.
            let _ = self.store.set(store.clone());
        }
        let host = &info["host"];
        let rootless = host["security"]["rootless"].as_bool().unwrap_or(false);
        let cgroup_version = if host["cgroupVersion"] == "v2" { 2 } else { 1 };
        let controllers: Vec<&str> = host["cgroupControllers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        // Rootless on cgroup v1 manages no groups at all, whatever the kernel has.
        let limits = |name: &str| !(rootless && cgroup_version == 1) && controllers.contains(&name);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(About {
            name: "Podman".to_owned(),
            version: text(&info["version"]["Version"]),
            rootless,
            cgroup_version,
            architecture: text(&host["arch"]),
            memory: limits("memory"),
            swap: limits("memory") && swap_is_counted(cgroup_version),
            pids: limits("pids"),
            cpus: limits("cpu"),
            gpus: cards_are_described().then(graphics_cards),
            store,
            caution: self.place().await.and_then(|place| place.caution()),
            facts: vec![
                ("runtime".to_owned(), text(&host["ociRuntime"]["name"])),
                (
                    "storage".to_owned(),
                    text(&info["store"]["graphDriverName"]),
                ),
            ],
        })
    }

    async fn load(&self, tar: TarStream) -> Result<Vec<String>, BackendError> {
        let answer = self.connected().await?.libpod.load(tar).await;
        let report = answer.map_err(|error| of("loading the archive", error))?;
        Ok(names(&report["Names"]))
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, BackendError> {
        let path = format!("/images/{reference}/json");
        match self.connected().await?.libpod.get_from_store(&path).await {
            Ok(image) => {
                let text = |key: &str| image[key].as_str().unwrap_or_default().to_owned();
                Ok(Some(Image {
                    id: text("Id"),
                    names: names(&image["RepoTags"]),
                    architecture: text("Architecture"),
                    user: text("User"),
                    size: image["Size"].as_u64().unwrap_or(0),
                    workdir: image["Config"]["WorkingDir"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    entrypoint: names(&image["Config"]["Entrypoint"]),
                }))
            }
            Err(error) if matches!(status(&error), Some(404 | 400)) => Ok(None),
            Err(error) => Err(of_store("looking for an image", error)),
        }
    }

    async fn image_names(&self) -> Result<Vec<String>, BackendError> {
        let images = self.list("listing images", "/images/json").await?;
        let mut all = Vec::new();
        for image in images.as_array().into_iter().flatten() {
            all.extend(names(&image["RepoTags"]));
            if let Some(id) = image["Id"].as_str() {
                // The answer to a load names an image without a name this way.
                all.extend([id.to_owned(), format!("sha256:{id}")]);
            }
        }
        Ok(all)
    }

    async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<(), BackendError> {
        let path = format!("/images/{image}/tag?repo={repository}&tag={tag}");
        match self.connected().await?.libpod.post(&path).await {
            Ok(_) => Ok(()),
            Err(error) => Err(of("naming an image", error)),
        }
    }

    async fn remove_image(&self, reference: &str) -> Result<(), BackendError> {
        let path = format!("/images/{reference}");
        match self.connected().await?.libpod.delete(&path).await {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(404) => Ok(()),
            Err(error) => Err(of("removing an image", error)),
        }
    }

    async fn owned_containers(&self) -> Result<Vec<(String, String)>, BackendError> {
        let path = format!(
            "/containers/json?all=true&filters=%7B%22label%22%3A%5B%22{OWNER_LABEL}%22%5D%7D"
        );
        let containers = self.list("listing containers", &path).await?;
        Ok(containers
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|container| {
                let owner = container["Labels"][OWNER_LABEL].as_str()?;
                Some((container["Id"].as_str()?.to_owned(), owner.to_owned()))
            })
            .collect())
    }

    async fn create(&self, request: &ContainerRequest) -> Result<String, BackendError> {
        let answer = self
            .connected()
            .await?
            .libpod
            .post_json("/containers/create", &spec::of(request))
            .await
            .map_err(|error| of("creating a container", error))?;
        Ok(answer["Id"].as_str().unwrap_or_default().to_owned())
    }

    async fn listen(&self, container: &str) -> Result<Output, BackendError> {
        // Attaching sets the container up, so this is where a program that is not there is found
        // out.
        let output = self.connected().await?.libpod.listen(container).await;
        output.map_err(|error| of("listening to a container", error))
    }

    async fn attach(&self, container: &str) -> Result<(Output, Input), BackendError> {
        let streams = self.connected().await?.libpod.attach(container).await;
        streams.map_err(|error| of("listening to a container", error))
    }

    async fn start(&self, container: &str) -> Result<(), BackendError> {
        let path = format!("/containers/{container}/start");
        match self.connected().await?.libpod.post(&path).await {
            Ok(_) => Ok(()),
            Err(error) => Err(of("starting a container", error)),
        }
    }

    async fn wait(&self, container: &str) -> Result<i32, BackendError> {
        let answer = self.connected().await?.libpod.wait(container).await;
        let code = answer.map_err(|error| of("waiting for a container", error))?;
        Ok(code
            .as_i64()
            .and_then(|code| code.try_into().ok())
            .unwrap_or(-1))
    }

    async fn state(&self, container: &str) -> Result<State, BackendError> {
        let container = self.inspect(container).await?;
        let state = &container["State"];
        let pid = state["Pid"].as_i64().unwrap_or(0);
        Ok(State {
            pid: pid.try_into().unwrap_or(0),
            out_of_memory: state["OOMKilled"].as_bool().unwrap_or(false),
        })
    }

    async fn kill(&self, container: &str) -> Result<(), BackendError> {
        let path = format!("/containers/{container}/kill");
        match self.connected().await?.libpod.post(&path).await {
            Ok(_) => Ok(()),
            // Gone, or ended already.
            Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(()),
            Err(error) => Err(of("killing a container", error)),
        }
    }

    async fn remove(&self, container: &str) -> Result<(), BackendError> {
        let libpod = &self.connected().await?.libpod;
        let Err(error) = try_to_remove(libpod, container).await else {
            return Ok(());
        };
        let stuck = self
            .store
            .get()
            .and_then(|store| root::named_by(&error, store));
        if let Some(root) = stuck {
            tracing::info!(container, ?root, "removing what Podman can't");
            match root::remove(root, self.place().await.as_deref()).await {
                // Whoever asked is told all the same that it could not be removed as it was.
                Ok(()) => drop(try_to_remove(libpod, container).await),
                Err(error) => tracing::warn!(container, %error, "its root can't be removed"),
            }
        }
        Err(of("removing a container", error))
    }

    async fn shut_down(&self) -> Result<(), BackendError> {
        let Ours { connection, place } = std::mem::take(&mut *self.ours.lock().await);
        if let Some(service) = connection.and_then(Arc::into_inner).and_then(|c| c.own) {
            service.stop().await;
        }
        // What can't be removed has been told of.
        let _ = tokio::task::spawn_blocking(move || drop(place)).await;
        Ok(())
    }
}

/// Removes a container; one that is gone is removed already.
async fn try_to_remove(libpod: &Libpod, container: &str) -> Result<(), Error> {
    // `v`, Docker's word for it, removes no volumes here.
    let path = format!("/containers/{container}?force=true&volumes=true&timeout=0");
    match libpod.delete(&path).await {
        Err(error) if status(&error) != Some(404) => Err(error),
        _ => Ok(()),
    }
}

fn names(list: &Value) -> Vec<String> {
    let names = list.as_array().into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether the kernel counts swap for control groups, so that it can be limited.
fn swap_is_counted(cgroup_version: u8) -> bool {
    let root = std::path::Path::new("/sys/fs/cgroup");
    if cgroup_version == 1 {
        return root.join("memory/memory.memsw.limit_in_bytes").exists();
    }
    let groups = std::fs::read_dir(root).into_iter().flatten().flatten();
    groups
        .into_iter()
        .any(|group| group.path().join("memory.swap.max").exists())
}

/// Whether the graphics cards are described to the Container Device Interface.
fn cards_are_described() -> bool {
    ["/etc/cdi", "/var/run/cdi"].iter().any(|folder| {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .into_iter()
            .any(|file| file.file_name().to_string_lossy().contains("nvidia"))
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::thread;

    use super::*;
    use crate::libpod::READINGS;

    /// What Podman 4.3 answers to a list while another run's image is half written.
    const HALF_WRITTEN: &str = r#"{"message":"locating item named \"manifest\" for image with ID \"bec2\" (consider removing the image to resolve the issue): file does not exist"}"#;
    /// What it answers to a look at an image that is half removed.
    const HALF_REMOVED: &str =
        r#"{"message":"runtime error: invalid memory address or nil pointer dereference"}"#;
    const ONE_IMAGE: &str = r#"[{"Id":"c0de","RepoTags":["localhost/team:latest"]}]"#;

    /// A service that answers like this, one request after the other, and then is gone.
    fn serve(socket: &Path, answers: Vec<(u16, &'static str)>) {
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
                while !request.next().unwrap().unwrap().is_empty() {}
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 {status} .\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                )
                .unwrap();
            }
        });
    }

    /// The names of the images, and the image `team`, of a service that answers like this.
    async fn ask(
        answers: Vec<(u16, &'static str)>,
    ) -> Result<(Vec<String>, Option<Image>), BackendError> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("podman.sock");
        serve(&socket, answers);
        let engine = PodmanEngine::new(Some(format!("unix://{}", socket.display())));
        Ok((engine.image_names().await?, engine.image("team").await?))
    }

    #[tokio::test]
    async fn the_store_is_read_again_while_images_come_and_go() {
        let answers = vec![
            (500, HALF_WRITTEN),
            (500, r#"{"message":"words that nobody has seen yet"}"#),
            (200, ONE_IMAGE),
            (500, HALF_REMOVED),
            (404, r#"{"message":"image not known"}"#),
        ];
        let (names, team) = ask(answers).await.unwrap();
        assert_eq!(names, ["localhost/team:latest", "c0de", "sha256:c0de"]);
        assert_eq!(team, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_never_read_is_tried_again_later_with_the_words_to_mend_it() {
        let error = ask(vec![(500, HALF_WRITTEN); READINGS + 1]).await;
        let error = error.unwrap_err();
        assert!(error.is_temporary());
        let text = error.to_string();
        assert!(text.contains("locating item named"), "{text}");
        assert!(text.contains("podman images"), "{text}");
    }

    #[tokio::test]
    async fn a_list_that_is_refused_is_not_asked_for_again() {
        let error = ask(vec![(400, r#"{"message":"no such path"}"#)]).await;
        assert!(!error.unwrap_err().is_temporary());
    }
}
