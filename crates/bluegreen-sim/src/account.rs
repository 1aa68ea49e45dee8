//! [`SimulatedAccount`], the HTTP client that answers the SDK.

mod connector;
mod invocations;
mod principal;

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
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use bluegreen_core::Clock;
pub use connector::ConnectionBroken;
use connector::Time;
use principal::{Principal, may};
use tokio::{sync::Notify, time::Instant};

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
    died: Notify,
    /// Tells that something has changed in the world.
    changed: Notify,
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
                died: Notify::new(),
                changed: Notify::new(),
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
        let result = work(&mut inner.world);
        drop(inner);
        self.shared.changed.notify_waiters();
        result
    }

    /// Says what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Returns the targets of the fault rules that have befallen no call so far: what is misspelt is among them.
    pub fn unused_faults(&self) -> Vec<String> {
        self.lock().faults.unused()
    }

    /// Lets `observer` see every call right after it, with the world as it is then.
    pub fn observe(&self, observer: impl FnMut(&World, &Record) + Send + 'static) {
        self.lock().observer = Some(Box::new(observer));
    }

    /// Lets the caller die now: see [`caller_died`](Self::caller_died).
    pub fn let_caller_die(&self) {
        self.shared.died.notify_one();
    }

    /// Returns when a fault, or [`let_caller_die`](Self::let_caller_die), has let the caller die: whoever plays the process then drops all that it is doing, as
    /// the operating system does. Its calls get no answer any more.
    pub async fn caller_died(&self) {
        self.shared.died.notified().await;
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
        let step = bluegreen_core::current_step();
        let (protocol, call) = match wire::read(&request) {
            Ok(read) => read,
            Err((protocol, refusal)) => {
                let call = wire::unread(&request);
                self.note(&call, step, Outcome::Refused(refusal.code.clone()));
                return Ok(wire::refuse(protocol, call.service, &refusal));
            }
        };
        let (latency, fault) = {
            let mut inner = self.lock();
            let Inner { world, faults, random, .. } = &mut *inner;
            let latency = world.times.call.draw(random);
            (latency, faults.next(&call, step.as_deref(), random))
        };
        pause(latency / 2).await;
        if let Some(Fault::LostBefore | Fault::Timeout | Fault::DiesBefore) = fault {
            self.note(&call, step.clone(), Outcome::Lost);
            match fault {
                Some(Fault::Timeout) => pause(NEVER).await,
                Some(Fault::DiesBefore) => self.die().await,
                _ => {}
            }
            return Err(ConnectionBroken);
        }
        let (mut answer, work, awaited) = self.decide(&call, step, fault);
        if fault == Some(Fault::DiesAfter) {
            self.die().await;
        }
        pause(work).await;
        if let Some(id) = awaited {
            answer = Ok(self.invoked(id).await);
        }
        if let Some(Fault::Slow(more)) = fault {
            pause(more).await;
        }
        pause(latency / 2).await;
        if fault == Some(Fault::LostAfter) {
            return Err(ConnectionBroken);
        }
        Ok(match answer {
            Ok(output) => wire::write(protocol, &call, &output),
            Err(refusal) => wire::refuse(protocol, call.service, &refusal),
        })
    }

    async fn die(&self) {
        self.let_caller_die();
        pause(NEVER).await;
    }

    /// Decides on a call, lets it take effect, and notes it. Also says how long its answer takes to work out, and
    /// which invocation has it where a function outside the account does.
    fn decide(
        &self,
        call: &Call,
        step: Option<String>,
        fault: Option<Fault>,
    ) -> (Answer, Duration, Option<u64>) {
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
                Err(services::denied(call, &call.action(), &arn, "*"))
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
        let work = std::mem::take(&mut world.work);
        let awaited = world.awaited.take();
        let outcome = match (&answer, fault) {
            (Ok(_), Some(Fault::LostAfter | Fault::DiesAfter)) => Outcome::AnswerLost,
            (Ok(_), _) => Outcome::Answered,
            (Err(refusal), _) => Outcome::Refused(refusal.code.clone()),
        };
        drop(inner);
        self.note(call, step, outcome);
        self.shared.changed.notify_waiters();
        (answer, work, awaited)
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

async fn pause(time: Duration) {
    if !time.is_zero() {
        #[expect(
            clippy::disallowed_methods,
            reason = "the account takes its time, it does not poll"
        )]
        tokio::time::sleep(time).await;
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

#[cfg(test)]
mod tests;
