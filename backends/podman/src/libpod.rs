//! Requests whose answers podman-api's models don't fit.
//!
//! Its models are those of Podman 4: from 5.0 on a container's description has another form
//! (`Entrypoint` is a list), so everything that reads one fails, attaching included. It also
//! loads archives from memory only and drops the exit status of a wait. These are asked over the
//! same transport and read as plain JSON.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use containers_api::conn::hyper::{self, Body, Client, Response, StatusCode};
use containers_api::conn::{
    Headers, Multiplexer, Payload, RequestClient, Transport, TtyChunk, get_unix_connector, tty,
};
use futures_util::{StreamExt, TryStreamExt};
use podman_api::Error;
use segarena_container::engine::{Output, TarStream};
use segarena_contract::LogStream;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::failure::is_the_engines;

/// The oldest interface that has all that is asked here; every later Podman speaks it.
const VERSION: &str = "/v4.0.0/libpod";

/// So often the store is read once more.
pub(crate) const READINGS: usize = 50;
const BETWEEN_READINGS: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub(crate) struct Libpod {
    client: RequestClient<Error>,
}

impl Libpod {
    pub(crate) fn new(socket: &Path) -> Self {
        let transport = Transport::Unix {
            client: Client::builder()
                .pool_max_idle_per_host(0)
                .build(get_unix_connector()),
            path: socket.to_owned(),
        };
        Self {
            client: RequestClient::new(transport, Box::new(validate)),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Error> {
        self.client.get_json(format!("{VERSION}{path}")).await
    }

    /// Asks about what is in the store. Podman fails at whatever another run is just writing or
    /// removing there, in ever other words and sometimes by a panic of its own; so whatever it
    /// stumbles over, it is asked again for a while.
    pub(crate) async fn get_from_store(&self, path: &str) -> Result<Value, Error> {
        for _ in 0..READINGS {
            match self.get(path).await {
                Err(error) if is_the_engines(&error) => tokio::time::sleep(BETWEEN_READINGS).await,
                answer => return answer,
            }
        }
        self.get(path).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let body = Payload::Json(body.to_string());
        let path = format!("{VERSION}{path}");
        self.client.post_json(path, body, Headers::none()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Error> {
        self.client.delete_json(format!("{VERSION}{path}")).await
    }

    /// Sends an archive as it comes.
    pub(crate) async fn load(&self, tar: TarStream) -> Result<Value, Error> {
        let body = Payload::XTar(Body::wrap_stream(tar));
        let path = format!("{VERSION}/images/load");
        self.client.post_json(path, body, Headers::none()).await
    }

    /// Waits until a container has ended, and gives its exit status.
    pub(crate) async fn wait(&self, container: &str) -> Result<Value, Error> {
        let path = format!("{VERSION}/containers/{container}/wait?condition=exited&interval=10ms");
        self.client
            .post_json(path, Payload::<Body>::None, Headers::none())
            .await
    }

    /// Listens to both streams of a container, which need not have started.
    pub(crate) async fn attach(&self, container: &str) -> Result<Output, Error> {
        let path = format!(
            "{VERSION}/containers/{container}/attach?stream=true&stdin=false&stdout=true&stderr=true"
        );
        let stream = self
            .client
            .clone()
            .post_upgrade_stream(path, Payload::<Body>::None)
            .await?;
        let mut chunks = Multiplexer::new(stream, tty::decode_chunk);
        let (sender, receiver) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Some(Ok(chunk)) = chunks.next().await {
                let piece = match chunk {
                    TtyChunk::StdErr(bytes) => (LogStream::Stderr, bytes),
                    TtyChunk::StdOut(bytes) | TtyChunk::StdIn(bytes) => (LogStream::Stdout, bytes),
                };
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Ok(receiver)
    }
}

type Validated = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send + Sync>>;

/// Turns an answer that says no into an error with the engine's words.
fn validate(response: Response<Body>) -> Validated {
    Box::pin(async move {
        let code = response.status();
        if code.is_success() || code == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let pieces: Vec<hyper::body::Bytes> = response
            .into_body()
            .try_collect()
            .await
            .map_err(containers_api::conn::Error::from)?;
        let answer: Value = serde_json::from_slice(&pieces.concat()).unwrap_or_default();
        let message = ["message", "cause"]
            .iter()
            .find_map(|key| answer[key].as_str())
            .unwrap_or_else(|| code.canonical_reason().unwrap_or("no reason given"))
            .to_owned();
        Err(Error::Fault { code, message })
    })
}

#[cfg(test)]
mod tests {
    use podman_api::models::InspectContainerData;
    use serde_json::json;

    /// Why descriptions of containers are asked for here: once this fails, podman-api can do it.
    #[test]
    fn the_models_of_podman_api_do_not_fit_what_podman_5_answers() {
        let answer = |entrypoint| {
            let description = json!({"Id": "c", "Config": {"Entrypoint": entrypoint}});
            serde_json::from_value::<InspectContainerData>(description)
        };
        assert!(answer(json!("/bin/sh")).is_ok(), "as Podman 4 answers");
        assert!(answer(json!(["/bin/sh"])).is_err(), "as Podman 5 answers");
    }
}
