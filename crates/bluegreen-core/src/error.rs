//! [`Error`], why a call or a step did not do what it should.

use std::{error, fmt, time::Duration};

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::ConfigProblem;

/// An error of any type, as the cause of another.
pub type BoxError = Box<dyn error::Error + Send + Sync>;

/// The result of a call that fails with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call or a step did not do what it should.
///
/// The variants are the cases in which a deployment goes on differently; everything else is
/// [`Error::Aws`], whose causes tell the rest. No message repeats its causes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The named resource is not there.
    #[error("{resource} does not exist")]
    NotFound {
        /// Kind and name: ``queue `orders-b` ``.
        resource: String,
    },

    /// The resource is there, but there is nothing on it to work with.
    #[error("found no {what}")]
    NothingFound {
        /// What was looked for: ``event source mapping of function `ingest-b` ``.
        what: String,
    },

    /// The resource is in a state in which this cannot be done, and waiting does not help.
    #[error("{resource} is {state}: expected {expected}")]
    WrongState {
        /// Kind and name: ``cluster `orders-b` ``.
        resource: String,
        /// The state it is in, in AWS's words: `` `failed` ``.
        state: String,
        /// What would do, and what a person can do about it.
        expected: String,
    },

    /// AWS or one of its rates said: not so fast.
    #[error("{operation} was throttled")]
    Throttled {
        /// The call, as IAM names it: `lambda:UpdateEventSourceMapping`.
        operation: &'static str,
        /// What the SDK said.
        source: BoxError,
    },

    /// The caller may not do this.
    #[error("not allowed: the caller lacks the permission `{operation}`")]
    AccessDenied {
        /// The action that was refused, as IAM names it.
        operation: &'static str,
        /// What the SDK said.
        source: BoxError,
    },

    /// There are no credentials, or they have expired.
    #[error("no valid AWS credentials for {operation}: log in again and repeat the command")]
    Credentials {
        /// The call that needed them.
        operation: &'static str,
        /// What the SDK said.
        source: BoxError,
    },

    /// The call may or may not have taken effect: look before deciding.
    #[error("{operation} got no answer: whether it took effect is not known")]
    OutcomeUnknown {
        /// The call.
        operation: &'static str,
        /// What the SDK said.
        source: BoxError,
    },

    /// AWS answered, but not with what the answer must hold.
    #[error("{operation} answered without {missing}")]
    Incomplete {
        /// The call.
        operation: &'static str,
        /// What was not there: `the cluster's status`.
        missing: &'static str,
    },

    /// Something did not come about in time.
    #[error("{what} took longer than {}: it still waits for {last}", humane(*after))]
    DeadlinePassed {
        /// What was waited for.
        what: String,
        /// The time it was given.
        after: Duration,
        /// What the last look showed.
        last: String,
    },

    /// The caller was told to stop; nothing is half done.
    #[error("interrupted while waiting for {what}")]
    Interrupted {
        /// What was waited for.
        what: String,
    },

    /// The configuration cannot be used.
    #[error("the configuration cannot be used: {}", listed(problems))]
    Configuration {
        /// Everything that is wrong with it.
        problems: Vec<ConfigProblem>,
    },

    /// A call to AWS failed in another way.
    #[error("{operation} failed")]
    Aws {
        /// The call.
        operation: &'static str,
        /// Whether the same call may succeed later.
        transient: bool,
        /// What the SDK said.
        source: BoxError,
    },
}

impl Error {
    /// Wraps the failure of the SDK call `operation`, named as IAM names its action.
    pub fn aws<E>(operation: &'static str, err: SdkError<E, HttpResponse>) -> Self
    where
        E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let code = err.code().unwrap_or_default().to_owned();
        // Query protocols put `AWS.SimpleQueueService.` and the like before the name.
        let name = code.rsplit(['.', '#']).next().unwrap_or_default();
        let status = err.raw_response().map(|it| it.status().as_u16());
        let unsent =
            matches!(&err, SdkError::DispatchFailure(it) if !(it.is_io() || it.is_timeout()));

        match &err {
            SdkError::ConstructionFailure(_) => Self::aws_other(operation, false, err),
            // What fails before anything is sent is nearly always the credentials' provider.
            SdkError::DispatchFailure(it) if unsent && it.is_other() => {
                Self::Credentials { operation, source: err.into() }
            }
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => {
                Self::OutcomeUnknown { operation, source: err.into() }
            }
            _ if THROTTLING_ERRORS.contains(&name) || status == Some(429) => {
                Self::Throttled { operation, source: err.into() }
            }
            _ if EXPIRED.contains(&name) => Self::Credentials { operation, source: err.into() },
            _ if DENIED.contains(&name) => Self::AccessDenied { operation, source: err.into() },
            _ => {
                let transient =
                    status.is_some_and(|it| it >= 500) || TRANSIENT_ERRORS.contains(&name);
                match err {
                    // The answer to a call that AWS took could not be read.
                    SdkError::ResponseError(_) if !transient => {
                        Self::OutcomeUnknown { operation, source: err.into() }
                    }
                    _ => Self::aws_other(operation, transient, err),
                }
            }
        }
    }

    fn aws_other<E>(
        operation: &'static str,
        transient: bool,
        err: SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: error::Error + Send + Sync + 'static,
    {
        Self::Aws { operation, transient, source: err.into() }
    }

    /// Returns whether the same call may succeed later: it was throttled, AWS had a fault (any 5xx
    /// status, whatever the body), or its outcome is unknown.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. }
                | Self::OutcomeUnknown { .. }
                | Self::Aws { transient: true, .. }
        )
    }

    /// Returns whether the named resource, or what was looked for on it, is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::NothingFound { .. })
    }
}

/// Codes that say that the caller's credentials are no longer good.
const EXPIRED: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
];

/// Codes that say that the caller lacks a permission.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "NotAuthorized",
    "UnauthorizedOperation",
];

fn listed(problems: &[ConfigProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn humane(duration: Duration) -> impl fmt::Display {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, 0) => format!("{m}m"),
        (0, m, s) => format!("{m}m {s}s"),
        (h, 0, _) => format!("{h}h"),
        (h, m, _) => format!("{h}h {m}m"),
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::{client::result::ConnectorError, http::StatusCode};
    use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};

    use super::*;

    const OPERATION: &str = "sqs:PurgeQueue";

    fn answer(status: u16) -> HttpResponse {
        HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty())
    }

    fn refused(status: u16, code: &str) -> Error {
        let metadata = ErrorMetadata::builder().code(code).message("why").build();
        Error::aws(OPERATION, SdkError::service_error(Refused(metadata), answer(status)))
    }

    #[derive(Debug, thiserror::Error)]
    #[error("refused")]
    struct Refused(ErrorMetadata);

    impl ProvideErrorMetadata for Refused {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    #[test]
    fn throttling_is_known_by_its_code_and_by_its_status() {
        assert!(matches!(refused(400, "ThrottlingException"), Error::Throttled { .. }));
        assert!(matches!(refused(429, "Whatever"), Error::Throttled { .. }));
        assert!(refused(400, "ThrottlingException").is_transient());
    }

    #[test]
    fn a_server_error_is_transient_whatever_its_body() {
        assert!(refused(500, "").is_transient());
        assert!(refused(503, "SomethingNew").is_transient());
        let page = SdkError::<Refused, _>::response_error("not xml", answer(502));
        assert!(matches!(Error::aws(OPERATION, page), Error::Aws { transient: true, .. }));
    }

    #[test]
    fn a_refusal_is_final() {
        assert!(!refused(400, "InvalidParameter").is_transient());
    }

    #[test]
    fn a_denied_call_names_the_action() {
        let err = refused(403, "AWS.SimpleQueueService.AccessDenied");

        assert!(matches!(err, Error::AccessDenied { .. }));
        assert!(err.to_string().contains(OPERATION));
        assert!(!err.is_transient());
    }

    #[test]
    fn expired_credentials_are_told_from_a_denied_call() {
        assert!(matches!(refused(403, "ExpiredToken"), Error::Credentials { .. }));
        let err =
            SdkError::<Refused, _>::dispatch_failure(ConnectorError::other("none".into(), None));
        assert!(matches!(Error::aws(OPERATION, err), Error::Credentials { .. }));
    }

    #[test]
    fn a_lost_connection_or_a_timeout_leaves_the_outcome_unknown() {
        let lost = SdkError::<Refused, _>::dispatch_failure(ConnectorError::io("reset".into()));
        let timeout = SdkError::<Refused, _>::timeout_error("60 s");
        let unread = SdkError::<Refused, _>::response_error("not json", answer(200));

        for err in [lost, timeout, unread] {
            let err = Error::aws(OPERATION, err);
            assert!(matches!(err, Error::OutcomeUnknown { .. }), "{err:?}");
            assert!(err.is_transient());
        }
    }

    #[test]
    fn no_message_repeats_its_cause() {
        for err in [refused(400, "InvalidParameter"), refused(403, "AccessDenied")] {
            let cause = error::Error::source(&err).expect("a cause").to_string();
            assert!(!err.to_string().contains(&cause), "{err}");
        }
    }

    #[test]
    fn a_deadline_says_how_long_and_what_is_missing() {
        let err = Error::DeadlinePassed {
            what: "cluster `orders-b`".to_owned(),
            after: Duration::from_secs(3600),
            last: "`starting`".to_owned(),
        };

        assert_eq!(
            err.to_string(),
            "cluster `orders-b` took longer than 1h: it still waits for `starting`"
        );
    }
}
