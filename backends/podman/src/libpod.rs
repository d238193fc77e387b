//! Requests to Podman's own interface, libpod, over its socket; answers are read as plain JSON.
//!
//! No client library reads what every Podman answers: from 5.0 on a container's description has
//! another form than before. Ours reads the few fields that are wanted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::http::request::Builder;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use segarena_container::engine::{Input, Output, TarStream};
use serde_json::Value;
use tokio::net::UnixStream;

use crate::failure::{Error, is_the_engines};
use crate::output;

/// The oldest interface that has all that is asked here; every later Podman speaks it.
const VERSION: &str = "/v4.0.0/libpod";

/// So often the store is read once more.
pub(crate) const READINGS: usize = 50;
const BETWEEN_READINGS: Duration = Duration::from_millis(50);

/// A Podman service. Each request has a connection of its own.
#[derive(Debug, Clone)]
pub(crate) struct Libpod {
    socket: PathBuf,
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

impl Libpod {
    pub(crate) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Error> {
        self.ask(Method::GET, path).await
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

    /// Asks for something to be done that the path tells wholly.
    pub(crate) async fn post(&self, path: &str) -> Result<Value, Error> {
        self.ask(Method::POST, path).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let body = Full::from(body.to_string()).map_err(|never| match never {});
        let request = request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        read(self.send(request.body(body.boxed_unsync())?).await?).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Error> {
        self.ask(Method::DELETE, path).await
    }

    /// Sends an archive as it comes.
    pub(crate) async fn load(&self, tar: TarStream) -> Result<Value, Error> {
        let pieces = tar.map(|piece| piece.map(|piece| Frame::data(Bytes::from(piece))));
        let body = StreamBody::new(pieces).boxed_unsync();
        let request =
            request(Method::POST, "/images/load").header(CONTENT_TYPE, "application/x-tar");
        read(self.send(request.body(body)?).await?).await
    }

    /// Waits until a container has ended, and gives its exit status.
    pub(crate) async fn wait(&self, container: &str) -> Result<Value, Error> {
        self.post(&format!(
            "/containers/{container}/wait?condition=exited&interval=10ms"
        ))
        .await
    }

    /// Listens to both streams of a container, which need not have started.
    pub(crate) async fn listen(&self, container: &str) -> Result<Output, Error> {
        Ok(output::of(self.connect(container, false).await?))
    }

    /// The same, and its standard input.
    pub(crate) async fn attach(&self, container: &str) -> Result<(Output, Input), Error> {
        let (read, write) = tokio::io::split(self.connect(container, true).await?);
        Ok((output::of(read), Box::pin(write)))
    }

    /// A connection that carries a container's streams.
    async fn connect(&self, container: &str, stdin: bool) -> Result<TokioIo<Upgraded>, Error> {
        let path = format!(
            "/containers/{container}/attach?stream=true&stdin={stdin}&stdout=true&stderr=true"
        );
        let request = request(Method::POST, &path)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "tcp");
        let response = accepted(self.send(request.body(nothing())?).await?).await?;
        Ok(TokioIo::new(hyper::upgrade::on(response).await?))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Value, Error> {
        let request = request(method, path).body(nothing())?;
        read(self.send(request).await?).await
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // What goes wrong with it, the request is told.
        tokio::spawn(connection.with_upgrades());
        Ok(sender.send_request(request).await?)
    }
}

fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn request(method: Method, path: &str) -> Builder {
    // HTTP wants a host, which a socket has not.
    Request::builder()
        .method(method)
        .uri(format!("{VERSION}{path}"))
        .header(HOST, "podman")
}

/// An answer's content; null if it has none.
async fn read(response: Response<Incoming>) -> Result<Value, Error> {
    let content = accepted(response).await?.into_body().collect().await?;
    let content = content.to_bytes();
    // Where there is nothing to say, a line may end all the same.
    if content.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_slice(&content)?)
}

/// Turns an answer that says no into an error with the engine's words.
async fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>, Error> {
    let code = response.status();
    if code.is_success() || code == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let content = response.into_body().collect().await?.to_bytes();
    let answer: Value = serde_json::from_slice(&content).unwrap_or_default();
    let message = ["message", "cause"]
        .iter()
        .find_map(|key| answer[key].as_str())
        .unwrap_or_else(|| code.canonical_reason().unwrap_or("no reason given"))
        .to_owned();
    Err(Error::Refused { code, message })
}
