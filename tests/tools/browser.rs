//! A headless Chromium to read a report in, driven through chromedriver.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use url::Url;

use segarena_harness::Requirement;

/// A page that is open in a browser of its own.
pub struct Page {
    client: Client,
    path: PathBuf,
}

pub static BROWSER: Requirement = Requirement::new("browser", || {
    let answers = Command::new("chromedriver").arg("--version").output();
    match answers.is_ok_and(|output| output.status.success()) {
        true => Ok(()),
        false => Err(
            "no chromedriver and Chromium (tests/tools/browser-setup.sh installs them)".to_owned(),
        ),
    }
});

/// Opens a report and does something there.
pub fn read(report: &Path, visit: impl AsyncFnOnce(&Page)) {
    let driver = Driver::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let page = Page {
            client: driver.connect().await,
            path: report.canonicalize().unwrap(),
        };
        page.open().await;
        visit(&page).await;
        page.has_kept_to_itself().await;
        page.client.clone().close().await.unwrap();
    });
}

impl Page {
    pub async fn open(&self) {
        let url = Url::from_file_path(&self.path).unwrap();
        self.client.goto(url.as_str()).await.unwrap();
    }

    pub async fn all(&self, selector: &str) -> Vec<Element> {
        self.client.find_all(Locator::Css(selector)).await.unwrap()
    }

    pub async fn one(&self, selector: &str) -> Element {
        let found = self.client.find(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// The texts of all elements that are shown.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])]\
                      .filter(e => e.checkVisibility()).map(e => e.innerText.trim())";
        let texts = self.run(script, vec![json!(selector)]).await;
        serde_json::from_value(texts).unwrap()
    }

    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    /// Presses a key where the focus is.
    pub async fn press(&self, key: char) {
        let focused = self.client.active_element().await.unwrap();
        focused.send_keys(&key.to_string()).await.unwrap();
    }

    /// What the focus is on, as a screen reader would call it.
    pub async fn focused(&self) -> String {
        let script = "const e = document.activeElement; \
                      return e.getAttribute('aria-label') ?? e.innerText";
        self.run(script, vec![]).await.as_str().unwrap().to_owned()
    }

    pub async fn set_width(&self, width: u32) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.cdp("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// `light` or `dark`, on `screen` or in `print`.
    pub async fn set_media(&self, media: &str, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let media = json!({"media": media, "features": features});
        self.cdp("Emulation.setEmulatedMedia", media).await;
    }

    /// Keeps a picture of the whole page: in `SEGARENA_ARTEFACTS`, or `target/browser`.
    pub async fn keep_picture(&self, name: &str) {
        let options = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.cdp("Page.captureScreenshot", options).await;
        keep(&format!("{name}.png"), &decoded(&answer["data"]));
    }

    pub async fn keep_print(&self, name: &str) -> Vec<u8> {
        let answer = self.cdp("Page.printToPDF", json!({})).await;
        let pdf = decoded(&answer["data"]);
        keep(&format!("{name}.pdf"), &pdf);
        pdf
    }

    /// Fails if the page asked the network for anything, or the browser complained.
    async fn has_kept_to_itself(&self) {
        let complaints = self.issue("se/log", json!({"type": "browser"})).await;
        assert_eq!(complaints, json!([]));
        let events = self.issue("se/log", json!({"type": "performance"})).await;
        let mut requests = 0;
        for event in events.as_array().unwrap() {
            let event: Value = serde_json::from_str(event["message"].as_str().unwrap()).unwrap();
            let event = &event["message"];
            // The browser's own first page is not the report's.
            let document = event["params"]["documentURL"].as_str().unwrap_or_default();
            let is_request = event["method"] == "Network.requestWillBeSent";
            if is_request && document.starts_with("file:") {
                let url = event["params"]["request"]["url"].as_str().unwrap();
                assert!(
                    url.starts_with("file:") || url.starts_with("data:"),
                    "{url}"
                );
                requests += 1;
            }
        }
        assert!(requests > 0, "the browser did not tell what it asked for");
    }

    /// A command of Chromium's own protocol.
    async fn cdp(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.issue("goog/cdp/execute", body).await
    }

    async fn issue(&self, path: &'static str, body: Value) -> Value {
        self.client.issue_cmd(Extra { path, body }).await.unwrap()
    }
}

fn decoded(data: &Value) -> Vec<u8> {
    let base64 = base64::engine::general_purpose::STANDARD;
    base64.decode(data.as_str().unwrap()).unwrap()
}

fn keep(name: &str, content: &[u8]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder =
        std::env::var_os("SEGARENA_ARTEFACTS").map_or("target/browser".into(), PathBuf::from);
    let folder = root.join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), content).unwrap();
}

/// A command that WebDriver's standard does not have.
#[derive(Debug)]
struct Extra {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _url: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// A running chromedriver, which ends with its browsers when this is dropped.
struct Driver {
    process: Child,
    port: u16,
    profile: tempfile::TempDir,
}

impl Driver {
    fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said.map_while(Result::ok).find_map(|line| {
            let port = line.split("successfully on port ").nth(1)?;
            port.trim_end_matches('.').parse().ok()
        });
        Self {
            process,
            port: port.expect("chromedriver says which port it listens on"),
            profile: tempfile::tempdir().unwrap(),
        }
    }

    async fn connect(&self) -> Client {
        // Chromium's own sandbox is not to be had as root, nor in most containers; what it reads
        // here is this project's.
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            &profile,
        ];
        let capabilities = json!({
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!()
        };
        let address = format!("http://127.0.0.1:{}", self.port);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        builder.connect(&address).await.unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked to end, chromedriver ends its browsers too.
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}
