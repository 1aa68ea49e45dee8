//! [`Outside`], what tests and steps reach that is neither AWS nor the store: HTTP, programs, people.

#[cfg(feature = "http")]
mod http;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Command, Ended, Listener, Result};

/// What lies outside AWS: the services that tests ask, the programs of the stack file, and people.
///
/// Rehearsals have one that passes, see [`Engine::with_outside`](crate::Engine::with_outside).
#[async_trait]
pub trait Outside: fmt::Debug + Send + Sync {
    /// Sends a GET request once and returns the answer, whatever its status. Redirects are not followed.
    ///
    /// # Errors
    ///
    /// [`Error::Unanswered`](crate::Error::Unanswered) without an answer in time.
    async fn http(&self, request: HttpRequest) -> Result<HttpAnswer>;

    /// Runs a program and waits for its end, whatever its exit code; `listener` hears of it meanwhile. When the future
    /// is dropped, the program is killed.
    ///
    /// # Errors
    ///
    /// [`Error::Command`](crate::Error::Command) when it cannot be started, or has not ended in time; those of
    /// `listener`.
    async fn run(&self, command: &Command, listener: &dyn Listener) -> Result<Ended>;

    /// Returns what a person has said about the approval `name`, if that is known from elsewhere than the release.
    async fn verdict(&self, name: &str) -> Result<Option<Verdict>>;
}

/// A GET request.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The URL.
    pub url: String,
    /// The headers, name and value. They may be secret.
    pub headers: Vec<(String, String)>,
    /// How long the answer may take, with all of its body.
    pub timeout: Duration,
}

impl HttpRequest {
    /// Returns the URL without what could be secret: user, password and query.
    pub fn shown(&self) -> String {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let host = authority.rsplit('@').next().unwrap_or_default();
        format!("{scheme}://{host}{path}")
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpRequest")
            .field("url", &self.shown())
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers, name and value.
    pub headers: Vec<(String, String)>,
    /// Its body as a text, up to its first megabyte.
    pub body: String,
}

/// What a person has said about an approval: what a release notes under `verdict/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// Whether the release may go on.
    pub approved: bool,
    /// Who said it.
    pub who: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The network and this machine.
#[derive(Debug)]
pub(crate) struct Direct {
    folder: PathBuf,
    #[cfg(feature = "http")]
    client: http::Client,
}

impl Direct {
    /// Runs programs in `folder`, that of the stack file.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            #[cfg(feature = "http")]
            client: http::Client::default(),
        }
    }
}

#[async_trait]
impl Outside for Direct {
    #[cfg(feature = "http")]
    async fn http(&self, request: HttpRequest) -> Result<HttpAnswer> {
        self.client.get(request).await
    }

    #[cfg(not(feature = "http"))]
    async fn http(&self, request: HttpRequest) -> Result<HttpAnswer> {
        let source = "this program was built without the feature `http`".into();
        Err(crate::Error::Unanswered { url: request.shown(), source })
    }

    async fn run(&self, command: &Command, listener: &dyn Listener) -> Result<Ended> {
        command.run(&self.folder, listener).await
    }

    async fn verdict(&self, _name: &str) -> Result<Option<Verdict>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> HttpRequest {
        let headers = vec![("authorization".to_owned(), "Bearer 7f3a".to_owned())];
        HttpRequest { url: url.to_owned(), headers, timeout: Duration::from_secs(1) }
    }

    #[test]
    fn what_could_be_secret_is_not_shown() {
        let request = request("https://ann:pass@shop.example:8443/health?token=7f3a#top");

        assert_eq!(request.shown(), "https://shop.example:8443/health");
        let debug = format!("{request:?}");
        assert!(!debug.contains("7f3a") && !debug.contains("pass"), "{debug}");
        assert!(debug.contains("authorization"), "{debug}");
    }

    #[test]
    fn a_url_without_a_path_is_shown_too() {
        assert_eq!(request("http://shop.example?x").shown(), "http://shop.example");
        assert_eq!(request("http://a@b@shop.example").shown(), "http://shop.example");
    }

    #[test]
    fn a_verdict_is_read_without_a_reason() {
        let read: Verdict = serde_json::from_str(r#"{"approved":true,"who":"ann"}"#).unwrap();

        assert_eq!(read, Verdict { approved: true, who: "ann".to_owned(), reason: None });
    }
}
