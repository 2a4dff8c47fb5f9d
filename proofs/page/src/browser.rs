use std::{process::Stdio, time::Duration};

use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    wd::WebDriverCompatibleCommand,
};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::sleep,
};
use url::{ParseError, Url};

/// How long the browser may take to show something.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many times Tab is pressed to reach an element.
const TABS: usize = 400;

/// What a person uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hand {
    /// Clicks of a pointer.
    Mouse,
    /// Keys alone: Tab reaches each element.
    Keyboard,
}

/// How the page looks.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Look {
    /// Whether the colour scheme is dark.
    pub dark: bool,
    /// The width of the window, in pixels of CSS.
    pub width: u32,
}

impl Look {
    /// A light page on a wide screen.
    pub const WIDE: Self = Self { dark: false, width: 1280 };
    /// A light page on a phone.
    pub const PHONE: Self = Self { dark: false, width: 400 };

    /// The same in dark.
    #[must_use]
    pub const fn in_dark(self) -> Self {
        Self { dark: true, ..self }
    }
}

/// A headless Chromium that reaches nothing but the loopback interface.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    hand: Hand,
    /// Ends with this value.
    _driver: Child,
}

impl Browser {
    /// Starts a browser, and opens a URL.
    pub async fn open(url: &str, hand: Hand, look: Look) -> Self {
        let (driver, port) = start_driver().await;
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ];
        let capabilities = json!({"goog:chromeOptions": {"args": arguments}});
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        let browser = Self { client, hand, _driver: driver };
        browser.look(look).await;
        let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        browser.devtools("Browser.grantPermissions", json!({"permissions": permissions})).await;
        browser.client.goto(url).await.unwrap();
        browser
    }

    /// Changes the width and the colour scheme.
    pub async fn look(&self, look: Look) {
        let size = json!({
            "width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": false
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Ends the browser.
    pub async fn close(self) {
        self.client.close().await.unwrap();
    }

    /// Opens another URL, as if it were typed.
    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// Runs the body of a function in the page.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.client.execute(script, arguments.to_vec()).await.unwrap()
    }

    /// Runs an asynchronous function in the page. Its last argument is called with the result.
    pub async fn run_async(&self, script: &str) -> Value {
        self.client.execute_async(script, Vec::new()).await.unwrap()
    }

    /// Waits until the page's visible text contains a text.
    pub async fn see(&self, text: &str) {
        self.see_in("body", text).await;
    }

    /// Waits until the visible text of the first element contains a text.
    pub async fn see_in(&self, css: &str, text: &str) {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        let mut seen = String::new();
        for _ in 0..PATIENCE.as_millis() / 50 {
            seen = self.run(script, &[json!(css)]).await.as_str().unwrap().to_owned();
            if seen.contains(text) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{css} does not show {text:?}, but:\n{seen}");
    }

    /// Waits until a script returns true.
    pub async fn until(&self, script: &str) {
        for _ in 0..PATIENCE.as_millis() / 50 {
            if self.run(script, &[]).await == json!(true) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("it never becomes true: {script}");
    }

    /// Activates an element by its id: a link, a button, a switch, or the summary of a part.
    pub async fn press(&self, id: &str) {
        let element = self.element(id).await;
        match self.hand {
            Hand::Mouse => {
                // A click fails if something covers the element.
                element.click().await.unwrap_or_else(|error| panic!("{id}: {error}"));
            }
            Hand::Keyboard => {
                self.tab_to(id).await;
                let key = match element.tag_name().await.unwrap().as_str() {
                    "a" | "button" => '\u{e007}', // Enter
                    _ => ' ',
                };
                self.key(key).await;
            }
        }
    }

    /// Writes a text into a field, in place of what is in it.
    pub async fn write(&self, id: &str, text: &str) {
        let element = self.element(id).await;
        match self.hand {
            Hand::Mouse => element.click().await.unwrap(),
            Hand::Keyboard => self.tab_to(id).await,
        }
        let select_all = KeyActions::new("keys".to_owned())
            .then(KeyAction::Down { value: '\u{e009}' })
            .then(KeyAction::Down { value: 'a' })
            .then(KeyAction::Up { value: 'a' })
            .then(KeyAction::Up { value: '\u{e009}' });
        self.client.perform_actions(select_all).await.unwrap();
        let active = self.client.active_element().await.unwrap();
        // U+E003 is Backspace.
        let text = if text.is_empty() { "\u{e003}" } else { text };
        active.send_keys(text).await.unwrap();
    }

    /// Chooses a file for an input. The driver opens no dialog, by neither hand.
    pub async fn choose_file(&self, id: &str, path: &str) {
        self.element(id).await.send_keys(path).await.unwrap();
    }

    /// Returns a picture of the page: PNG.
    pub async fn picture(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }

    async fn element(&self, id: &str) -> fantoccini::elements::Element {
        self.client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Id(id))
            .await
            .unwrap_or_else(|error| panic!("#{id}: {error}"))
    }

    /// Presses Tab until the element has the focus. The element must show that it has it.
    async fn tab_to(&self, id: &str) {
        let script = "const it = document.activeElement; \
            const seen = it.matches(':focus-visible') && getComputedStyle(it).outlineStyle; \
            return seen && seen !== 'none' ? it.id : ''";
        for _ in 0..TABS {
            if self.run(script, &[]).await == id {
                return;
            }
            self.key('\u{e004}').await; // Tab
        }
        panic!("Tab does not reach #{id}");
    }

    async fn key(&self, value: char) {
        let actions = KeyActions::new("keys".to_owned())
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Runs a command of the browser's developer tools.
    async fn devtools(&self, command: &str, parameters: Value) {
        let command = DevTools { body: json!({"cmd": command, "params": parameters}) };
        self.client.issue_cmd(command).await.unwrap();
    }
}

/// Starts the driver on a free port. It ends at once if another process takes the port, by IPv4 or
/// by IPv6, before it listens at both: then another port is tried.
async fn start_driver() -> (Child, u16) {
    for _ in 0..10 {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts: Debian has it in the package chromium-driver");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, port)) = line.rsplit_once("started successfully on port ") {
                // Whatever it prints later must not block it.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return (driver, port.trim_end_matches('.').parse().unwrap());
            }
        }
    }
    panic!("chromedriver does not start: run `chromedriver --port=0` to see why");
}

#[derive(Debug)]
struct DevTools {
    body: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
