//! [`SimulatedAccount`], the HTTP client that answers the SDK.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{rt::sleep::TokioSleep, time::TimeSource};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use bluegreen_core::Clock;
use tokio::time::Instant;

use crate::{
    Call, Fault, Faults, Outcome, Policy, Record, Refusal, Times, World, call::Answer,
    rates::Rates, services, wire,
};

/// The access key of the principal that may do everything.
pub(crate) const ADMINISTRATOR: &str = "AKIASIMULATEDADMIN00";

/// How long a call that gets no answer is kept waiting: longer than any client waits.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// What an account is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The partition: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The Region.
    pub region: String,
    /// The 12-digit account.
    pub account: String,
    /// What all chance comes from: the same seed makes the same run.
    pub seed: u64,
    /// How long everything takes.
    pub times: Times,
    /// The time of day at which the account is made.
    pub start: SystemTime,
    /// Whether AWS's limits on calls per second hold.
    pub rates: bool,
    /// Whether those who sign with an access key that the account does not know may do everything.
    pub strangers: bool,
    /// What the URLs of queues begin with, `http://127.0.0.1:4599`; with AWS's own hosts when left out. Some SDKs
    /// send to whatever host a queue's URL names.
    pub queue_host: Option<String>,
}

impl Default for Settings {
    /// Account 123456789012 in eu-west-1, on 1 December 2026.
    fn default() -> Self {
        Self {
            partition: "aws".to_owned(),
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            seed: 0,
            times: Times::default(),
            start: SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_083_200),
            rates: true,
            strangers: false,
            queue_host: None,
        }
    }
}

/// An AWS account that exists in this process only.
///
/// It is made within a tokio runtime, whose clock it follows; under a paused one nothing waits in earnest. Copies
/// are the same account.
#[derive(Clone)]
pub struct SimulatedAccount {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    clock: Clock,
    origin: Instant,
    number: u64,
    inner: Mutex<Inner>,
}

struct Inner {
    world: World,
    faults: Faults,
    rates: Rates,
    principals: BTreeMap<String, Principal>,
    observer: Option<Observer>,
    /// What the lots are drawn from that do not belong to the world: latencies and faults.
    random: fastrand::Rng,
}

/// Sees every call right after it, with the world as it is then.
type Observer = Box<dyn FnMut(&World, &Record) + Send>;

#[derive(Clone, Debug)]
struct Principal {
    arn: String,
    /// `None` may do everything.
    policy: Option<Policy>,
}

impl SimulatedAccount {
    /// Makes an empty account.
    pub fn new(settings: Settings) -> Self {
        static ACCOUNTS: AtomicU64 = AtomicU64::new(0);
        let world = World::new(&settings);
        let administrator = Principal {
            arn: format!("arn:{}:iam::{}:user/administrator", settings.partition, settings.account),
            policy: None,
        };
        let inner = Inner {
            world,
            faults: Faults::none(),
            rates: Rates::new(settings.rates),
            principals: BTreeMap::from([(ADMINISTRATOR.to_owned(), administrator)]),
            observer: None,
            random: fastrand::Rng::with_seed(settings.seed ^ 0x5eed),
        };
        // The pauses between the SDK's tries are drawn from the thread's own lots.
        fastrand::seed(settings.seed);
        Self {
            shared: Arc::new(Shared {
                clock: Clock::following_tokio(settings.start),
                origin: Instant::now(),
                number: ACCOUNTS.fetch_add(1, Ordering::Relaxed),
                inner: Mutex::new(inner),
                settings,
            }),
        }
    }

    /// Returns a configuration for clients that may do everything.
    pub fn sdk_config(&self) -> SdkConfig {
        self.config_for(ADMINISTRATOR)
    }

    /// Makes a role with this policy, and returns a configuration for clients that have it.
    pub fn sdk_config_for(&self, role: &str, policy: Policy) -> SdkConfig {
        let mut inner = self.lock();
        let key = format!("ASIASIMULATED{:07}", inner.principals.len());
        let Settings { partition, account, .. } = &self.shared.settings;
        let arn = format!("arn:{partition}:sts::{account}:assumed-role/{role}/simulated");
        inner.principals.insert(key.clone(), Principal { arn, policy: Some(policy) });
        drop(inner);
        self.config_for(&key)
    }

    fn config_for(&self, access_key: &str) -> SdkConfig {
        let credentials = Credentials::from_keys(access_key, "simulated", None);
        // The SDK shares the budget of its retries among all clients of a process that name the same Region.
        let region =
            format!("{}{}{}", self.shared.settings.region, REGION_MARK, self.shared.number);
        SdkConfig::builder()
            .behavior_version(
                aws_smithy_runtime_api::client::behavior_version::BehaviorVersion::v2026_01_12(),
            )
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url("https://aws.simulated")
            .http_client(self.clone())
            .sleep_impl(TokioSleep::new())
            .time_source(Time(self.shared.clock.clone()))
            .retry_config(RetryConfig::standard())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(Duration::from_secs(10))
                    .operation_timeout(Duration::from_secs(60))
                    .build(),
            )
            .build()
    }

    /// Returns the clock of the account.
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// Returns the time since the account was made.
    pub fn elapsed(&self) -> Duration {
        self.shared.origin.elapsed()
    }

    /// Looks at the world as it is now, or changes it: what AWS, a person or time would do.
    pub fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let now = self.elapsed();
        let mut inner = self.lock();
        inner.world.advance(now);
        work(&mut inner.world)
    }

    /// Says what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Lets `observer` see every call right after it, with the world as it is then.
    pub fn observe(&self, observer: impl FnMut(&World, &Record) + Send + 'static) {
        self.lock().observer = Some(Box::new(observer));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request, whoever sent it.
    ///
    /// # Errors
    ///
    /// That the connection broke.
    pub async fn answer(&self, request: wire::Request) -> Result<wire::Response, ConnectionBroken> {
        let (protocol, call) = match wire::read(&request) {
            Ok(read) => read,
            Err((protocol, refusal)) => return Ok(wire::refuse(protocol, "", &refusal)),
        };
        let step = bluegreen_core::current_step();
        let (latency, fault) = {
            let mut inner = self.lock();
            let Inner { world, faults, random, .. } = &mut *inner;
            let latency = world.times.call.draw(random);
            (latency, faults.next(&call, step.as_deref(), random))
        };
        pause(latency / 2).await;
        match fault {
            Some(Fault::LostBefore | Fault::Timeout) => {
                self.note(&call, step.clone(), Outcome::Lost);
                if fault == Some(Fault::Timeout) {
                    pause(NEVER).await;
                }
                return Err(ConnectionBroken);
            }
            Some(Fault::Slow(more)) => pause(more).await,
            _ => {}
        }
        let answer = self.decide(&call, step, fault);
        pause(latency / 2).await;
        if fault == Some(Fault::LostAfter) {
            return Err(ConnectionBroken);
        }
        Ok(match answer {
            Ok(output) => wire::write(protocol, &call, &output),
            Err(refusal) => wire::refuse(protocol, call.service, &refusal),
        })
    }

    /// Decides on a call, lets it take effect, and notes it.
    fn decide(&self, call: &Call, step: Option<String>, fault: Option<Fault>) -> Answer {
        let now = self.elapsed();
        let mut inner = self.lock();
        let Inner { world, rates, principals, .. } = &mut *inner;
        world.advance(now);
        world.slowness = if fault == Some(Fault::SlowState) { 10 } else { 1 };
        world.breaks = fault == Some(Fault::Broken);
        let principal = self.principal(principals, call);
        world.asking = principal.map(|it| it.arn.clone()).unwrap_or_default();
        let answer = match fault {
            Some(Fault::Throttled) => Err(services::throttled(call.service)),
            Some(Fault::ServerError(status)) => {
                Err(Refusal::new(status, "InternalFailure", "an internal error has occurred"))
            }
            Some(Fault::Denied) => {
                let arn = principal.map(|it| it.arn.clone()).unwrap_or_default();
                Err(services::denied(call, &arn, "*"))
            }
            _ => may(world, call, principal)
                .and_then(|()| match rates.take(call, now) {
                    true => Ok(()),
                    false => Err(services::throttled(call.service)),
                })
                .and_then(|()| services::answer(world, call)),
        };
        world.slowness = 1;
        world.breaks = false;
        let outcome = match (&answer, fault) {
            (Ok(_), Some(Fault::LostAfter)) => Outcome::AnswerLost,
            (Ok(_), _) => Outcome::Answered,
            (Err(refusal), _) => Outcome::Refused(refusal.code.clone()),
        };
        drop(inner);
        self.note(call, step, outcome);
        answer
    }

    fn principal<'a>(
        &self,
        principals: &'a BTreeMap<String, Principal>,
        call: &Call,
    ) -> Option<&'a Principal> {
        let key = call.access_key.as_deref()?;
        let stranger = self.shared.settings.strangers.then_some(ADMINISTRATOR);
        principals.get(key).or_else(|| principals.get(stranger?))
    }

    fn note(&self, call: &Call, step: Option<String>, outcome: Outcome) {
        let now = self.elapsed();
        let mut inner = self.lock();
        let Inner { world, principals, observer, .. } = &mut *inner;
        world.advance(now);
        let principal = self.principal(principals, call);
        let record = Record {
            at: world.now(),
            principal: principal.map(|it| it.arn.clone()).unwrap_or_default(),
            service: call.service,
            operation: call.operation.clone(),
            parameters: call.parameters.clone(),
            attempt: call.attempt,
            outcome,
            step,
        };
        if let Some(observer) = observer {
            observer(world, &record);
        }
        world.audit.push(record);
    }
}

/// Stands between the Region and the account's number in the Region that clients are told.
pub(crate) const REGION_MARK: &str = "-simulated-";

/// Checks who asks, and whether their policy allows it.
fn may(world: &World, call: &Call, principal: Option<&Principal>) -> Result<(), Refusal> {
    let Some(principal) = principal else {
        return Err(match call.access_key {
            None => Refusal::new(
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            ),
            Some(_) => Refusal::new(
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
        });
    };
    let Some(policy) = &principal.policy else { return Ok(()) };
    // §12: nobody needs a permission to ask who they are.
    if call.service == "sts" {
        return Ok(());
    }
    let services::Concerns { resources, conditions } = services::concerns(world, call);
    for resource in resources {
        let request = crate::Question {
            action: call.action(),
            resource: resource.clone(),
            conditions: conditions.clone(),
        };
        if policy.decide(&request) != crate::Decision::Allowed {
            return Err(services::denied(call, &principal.arn, &resource));
        }
    }
    Ok(())
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        #[expect(
            clippy::disallowed_methods,
            reason = "the account takes its time, it does not poll"
        )]
        tokio::time::sleep(time).await;
    }
}

/// The connection broke before there was an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionBroken;

impl fmt::Display for ConnectionBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was reset")
    }
}

impl std::error::Error for ConnectionBroken {}

impl HttpConnector for SimulatedAccount {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let account = self.clone();
        HttpConnectorFuture::new(async move {
            let header = |name| request.headers().get(name).unwrap_or_default().to_owned();
            let request = wire::Request {
                method: request.method().to_owned(),
                uri: request.uri().to_owned(),
                content_type: header("content-type"),
                target: header("x-amz-target"),
                authorization: header("authorization"),
                attempt: header("amz-sdk-request"),
                body: request.body().bytes().unwrap_or_default().to_vec(),
            };
            let response = account.answer(request).await;
            let response = response.map_err(|err| ConnectorError::io(err.into()))?;
            let status = response
                .status
                .try_into()
                .map_err(|err| ConnectorError::other(Box::new(err), None))?;
            let mut answer = HttpResponse::new(status, response.body.into());
            for (name, value) in response.headers {
                answer.headers_mut().insert(name, value);
            }
            Ok(answer)
        })
    }
}

impl HttpClient for SimulatedAccount {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl fmt::Debug for SimulatedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { account, region, seed, .. } = &self.shared.settings;
        f.debug_struct("SimulatedAccount")
            .field("account", account)
            .field("region", region)
            .field("seed", seed)
            .finish_non_exhaustive()
    }
}

/// The account's clock, as the SDK asks it.
#[derive(Debug)]
struct Time(Clock);

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}
