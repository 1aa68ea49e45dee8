//! [`LazyClient`], a client of an AWS service that is built when it is first used.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, LazyLock},
};

use aws_types::SdkConfig;

type Build<C> = Box<dyn FnOnce() -> C + Send>;

/// A client of one AWS service, which is built when it is first used. Clones share it.
///
/// Each client has retries, credentials and endpoints of its own to set up. A stack file names many resources, of which one command or
/// one invocation of a function touches few.
///
/// ```
/// # #[derive(Debug)] struct Client; impl Client { fn new(_: &aws_types::SdkConfig) -> Self { Self } }
/// use bluegreen_core::LazyClient;
///
/// let sdk = aws_types::SdkConfig::builder().build();
/// let later: LazyClient<Client> = LazyClient::new(&sdk, Client::new);
/// let at_once: LazyClient<Client> = Client::new(&sdk).into();
/// ```
pub struct LazyClient<C>(Arc<LazyLock<C, Build<C>>>);

impl<C: 'static> LazyClient<C> {
    /// Lets `build` make the client when it is first used, for the account and Region that `sdk` points at.
    pub fn new(sdk: &SdkConfig, build: impl FnOnce(&SdkConfig) -> C + Send + 'static) -> Self {
        let sdk = sdk.clone();
        Self(Arc::new(LazyLock::new(Box::new(move || build(&sdk)))))
    }
}

impl<C: Send + 'static> From<C> for LazyClient<C> {
    fn from(client: C) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(|| client))))
    }
}

impl<C> Deref for LazyClient<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> Clone for LazyClient<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: fmt::Debug> fmt::Debug for LazyClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LazyClient").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_client_is_built_when_it_is_first_used_and_once_for_all_clones() {
        static BUILT: AtomicU32 = AtomicU32::new(0);
        let sdk = SdkConfig::builder().build();
        let client = LazyClient::new(&sdk, |_| BUILT.fetch_add(1, Ordering::Relaxed));
        let clone = client.clone();
        assert_eq!(BUILT.load(Ordering::Relaxed), 0);

        assert_eq!((*client, *clone), (0, 0));

        assert_eq!(BUILT.load(Ordering::Relaxed), 1);
    }
}
