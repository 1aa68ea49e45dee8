//! [`Configuration`], the stack file of the function: where it comes from, and what it says now.

#[cfg(feature = "ssm")]
mod aws;
mod source;

use std::{
    fmt, fs, io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_core::Clock;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

#[cfg(feature = "ssm")]
pub use self::aws::AwsParameters;
pub use self::source::Source;

/// For how long a parameter is taken to be what it was.
const FRESH: Duration = Duration::from_secs(60);

/// The stack file of the function, read when it is first asked for.
///
/// It is made once, at the cold start, and asked in every invocation. A file of the package and the text of a
/// variable never change while the function lives. A parameter is asked for again once a minute at most.
#[derive(Debug)]
pub struct Configuration {
    source: Source,
    parameters: Arc<dyn Parameters>,
    clock: Clock,
    held: Mutex<Option<Held>>,
}

/// What was read last, and when that was known to be so.
#[derive(Debug)]
struct Held {
    loaded: Arc<Loaded>,
    asked: SystemTime,
}

/// A stack file as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its text.
    pub text: String,
    /// What it is called in errors, as [`Source`] displays.
    pub name: String,
    /// Its [`hash`].
    pub hash: String,
    /// The version of the parameter; `None` where it comes from somewhere else, or AWS does not say.
    pub version: Option<i64>,
}

/// Why there is no stack file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It is said twice where it is.
    #[error("the stack file is set by {}: expected one of them", listed(.0))]
    Several(Vec<&'static str>),
    /// A file of the package could not be read.
    #[error("the stack file `{name}` could not be read")]
    File {
        /// Its name.
        name: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A parameter could not be read.
    #[error("the stack file could not be read from parameter `{name}`")]
    Parameter {
        /// The parameter.
        name: String,
        /// What AWS said.
        source: bluegreen_core::Error,
    },
}

/// The calls to Parameter Store of AWS Systems Manager that reading a stack file needs.
#[async_trait]
pub trait Parameters: fmt::Debug + Send + Sync {
    /// Returns what a parameter is now; one that is encrypted is decrypted.
    ///
    /// Calls `ssm:GetParameter`.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none of that name.
    async fn parameter(&self, name: &str) -> bluegreen_core::Result<Parameter>;
}

/// A parameter as it is now.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its value.
    pub text: String,
    /// Its version, which grows with every change; `None` when AWS does not say.
    pub version: Option<i64>,
}

impl Configuration {
    /// Takes the stack file from `source`. `parameters` is asked only if that is a parameter.
    pub fn new(source: Source, parameters: Arc<dyn Parameters>, clock: Clock) -> Self {
        Self { source, parameters, clock, held: Mutex::new(None) }
    }

    /// Returns where the stack file comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the stack file as it is now: the same value as long as it does not change.
    ///
    /// When AWS cannot be reached for a while (it throttles, has a fault, or does not answer), what was read last
    /// is still taken, with a warning: a deployment under way is not to fail for that. All else is an error, even if
    /// it was read before: a parameter that is gone, and a caller that may no longer read it, are decisions of
    /// somebody.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`], which names the file or the parameter.
    pub async fn current(&self) -> Result<Arc<Loaded>, ConfigurationError> {
        let mut held = self.held.lock().await;
        if let Some(held) = &*held
            && (!self.source.changes() || self.is_fresh(held.asked))
        {
            return Ok(Arc::clone(&held.loaded));
        }

        let read = self.read().await;
        let loaded = match (read, held.take()) {
            (Ok(read), Some(last)) if read.hash == last.loaded.hash => last.loaded,
            (Ok(read), _) => {
                let (hash, version) = (&read.hash, read.version);
                tracing::info!(stack_file = read.name, hash, version, "read the stack file");
                Arc::new(read)
            }
            (Err(ConfigurationError::Parameter { name, source }), Some(last))
                if source.is_transient() =>
            {
                let error = &source as &dyn std::error::Error;
                tracing::warn!(parameter = name, error, "going on with the stack file read before");
                last.loaded
            }
            (Err(err), last) => {
                *held = last;
                return Err(err);
            }
        };
        *held = Some(Held { loaded: Arc::clone(&loaded), asked: self.clock.now() });
        Ok(loaded)
    }

    /// A function is frozen between invocations, and only the time of day goes on. It may go back, too.
    fn is_fresh(&self, asked: SystemTime) -> bool {
        self.clock.now().duration_since(asked).is_ok_and(|it| it < FRESH)
    }

    async fn read(&self) -> Result<Loaded, ConfigurationError> {
        let name = self.source.to_string();
        let (text, version) = match &self.source {
            Source::Package(path) => match fs::read_to_string(path) {
                Ok(text) => (text, None),
                Err(source) => return Err(ConfigurationError::File { name, source }),
            },
            Source::Parameter(parameter) => match self.parameters.parameter(parameter).await {
                Ok(read) => (read.text, read.version),
                Err(source) => {
                    return Err(ConfigurationError::Parameter { name: parameter.clone(), source });
                }
            },
            Source::Text(text) => (text.clone(), None),
        };
        Ok(Loaded { hash: hash(&text), text, name, version })
    }
}

/// Returns the SHA-256 of a stack file's text in hexadecimal digits, by which two of them are compared.
pub fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|it| format!("{it:02x}")).collect()
}

impl fmt::Debug for Loaded {
    /// Leaves out the text, in which there may be what is nobody else's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text: _, name, hash, version } = self;
        f.debug_struct("Loaded")
            .field("name", name)
            .field("hash", hash)
            .field("version", version)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameter").field("version", &self.version).finish_non_exhaustive()
    }
}

fn listed(variables: &[&str]) -> String {
    variables.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests;
