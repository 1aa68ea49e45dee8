//! [`Stage`], all that a scenario plays on: the account, the emulator of Lambda, the function, and the command line.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use bluegreen_core::{
    StackReference,
    wait::{self, Look, Pace},
};
use bluegreen_deploy::{DynamoDbStorage, Outcome, Release, Store};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;

use crate::{
    emulator::{Answer, Emulator, FUNCTION, program},
    places::Places,
    shop::{Shop, TABLE},
};

/// How long anything here is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The number of the account.
pub(crate) const ACCOUNT: &str = "123456789012";

/// The Region.
pub(crate) const REGION: &str = "eu-west-1";

/// What a scenario plays on; everything ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    pub(crate) sdk: SdkConfig,
    pub(crate) shop: Shop,
    places: Places,
    folder: TempDir,
    _account: Child,
}

impl Stage {
    /// Starts the account, builds a shop in it, writes its stack file, and starts the function in two processes, so
    /// that it can be invoked while it is at work.
    pub(crate) async fn new(shop: Shop) -> Self {
        let stage = Self::without_functions(shop).await;
        stage.with_functions(2)
    }

    /// Does all of that where emulators of other people play all but the platforms.
    pub(crate) async fn emulated(shop: Shop) -> Self {
        let stage = Self::built(shop, true).await;
        stage.with_functions(2)
    }

    /// Does all of that but for the function, of which nobody hears then.
    pub(crate) async fn without_functions(shop: Shop) -> Self {
        Self::built(shop, false).await
    }

    async fn built(shop: Shop, emulated: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let emulator = Emulator::start(folder.path()).await;
        let function = format!("{FUNCTION}={}", emulator.invocations());
        let (child, account) = serve(&function).await;
        let places = match emulated {
            true => Places::emulated(&account).await,
            false => Places::simulated(&account),
        };
        let sdk = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(ACCOUNT, "any", None, None, "test"))
            .load()
            .await;
        let sdk = sdk.into_builder().service_config(places.of_services()).build();
        fs::write(folder.path().join("bluegreen.toml"), shop.stack_file()).unwrap();
        let stage = Self { emulator, sdk, shop, places, folder, _account: child };
        stage.shop.build(&stage.sdk).await;
        stage.bluegreen(&["init", "--create-table"]).await;
        stage.bluegreen(&["adopt", "--active", "a", "--yes"]).await;
        stage
    }

    fn with_functions(mut self, count: usize) -> Self {
        self.start_functions(count);
        self
    }

    /// Starts more processes of the function.
    pub(crate) fn start_functions(&mut self, count: usize) {
        let mut environment = self.environment();
        environment.push(("BLUEGREEN_STACK_FILE".to_owned(), "bluegreen.toml".to_owned()));
        let run = format!("{}ms", self.shop.longest_run.as_millis());
        environment.push(("BLUEGREEN_LONGEST_RUN".to_owned(), run));
        for _ in 0..count {
            self.emulator.start_function(self.folder.path(), &environment);
        }
    }

    /// Returns the environment that points every AWS tool at the account, or at the emulators beside it.
    fn environment(&self) -> Vec<(String, String)> {
        let mut variables: Vec<_> = [
            // Emulators take it for the number of the account.
            ("AWS_ACCESS_KEY_ID", ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", "any"),
            ("AWS_REGION", REGION),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        variables.extend_from_slice(self.places.environment());
        variables
    }

    /// Runs the command line on the stage's stack file, which has to succeed, and returns what it prints.
    pub(crate) async fn bluegreen(&self, arguments: &[&str]) -> String {
        let (code, said) = self.ask(arguments).await;
        assert_eq!(code, Some(0), "bluegreen {arguments:?}: {said}");
        said
    }

    /// Runs the command line on the stage's stack file, and returns its exit code and what it prints.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(program("BLUEGREEN_TEST_COMMAND"));
        command.env_clear().envs(self.environment()).current_dir(self.folder.path());
        let output = command.args(arguments).kill_on_drop(true).output().await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let (code, said) = (output.status.code(), String::from_utf8_lossy(&output.stderr));
        (code, format!("{printed}{said}"))
    }

    /// Lets the regular call come once.
    pub(crate) async fn reconcile(&self) -> Answer {
        self.emulator.invoke(&crate::events::event("reconcile")).await
    }

    /// Lets the regular call come, again and again, until `look` finds something.
    pub(crate) async fn reconcile_until<T>(
        &self,
        what: &str,
        look: impl AsyncFn() -> Option<T>,
    ) -> T {
        eventually(what, async || {
            if let Some(found) = look().await {
                return Some(found);
            }
            self.reconcile().await;
            look().await
        })
        .await
    }

    /// Returns what the store says.
    pub(crate) async fn store(&self) -> Store {
        let lease = Duration::from_secs(3);
        let storage = Arc::new(DynamoDbStorage::new(&self.sdk, TABLE, "shop", lease));
        Store::open(storage, "shop").await.unwrap().unwrap()
    }

    /// Returns the open release.
    pub(crate) async fn open_release(&self) -> Option<Release> {
        self.store().await.release().map(|it| Release::clone(&it))
    }

    /// Returns all releases, the first one first.
    pub(crate) async fn releases(&self) -> Vec<Release> {
        let mut releases = self.store().await.releases().await.unwrap();
        releases.sort_by(|one, other| one.id.cmp(&other.id));
        releases
    }

    /// Waits for a release to be opened.
    pub(crate) async fn opened(&self) -> Release {
        eventually("an open release", async || self.open_release().await).await
    }

    /// Lets the regular call come until the last release has ended, and returns how.
    pub(crate) async fn ending(&self) -> Outcome {
        self.reconcile_until("the end of the release", async || {
            self.releases().await.pop().and_then(|it| it.ended).map(|it| it.outcome)
        })
        .await
    }

    /// Returns the active stack.
    pub(crate) async fn active(&self) -> StackReference {
        self.store().await.pointer().active
    }

    /// Returns how everything that a release switches is, and the pointer.
    pub(crate) async fn look(&self) -> BTreeMap<String, String> {
        let mut world = self.shop.look(&self.sdk).await;
        world.insert("active".to_owned(), self.active().await.to_string());
        world
    }

    /// Returns the lines of all functions' logs.
    pub(crate) fn logs(&self) -> Vec<Value> {
        let files = fs::read_dir(self.folder.path()).unwrap().map(|it| it.unwrap().path());
        let logs = files.filter(|it| is_log(it)).map(|it| fs::read_to_string(it).unwrap());
        logs.flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|it| serde_json::from_str(&it).ok())
            .collect()
    }
}

impl Stage {
    /// Returns the ids of the requests in whose logs `text` occurs.
    pub(crate) fn request_ids(&self, text: &str) -> Vec<String> {
        let lines = self.logs().into_iter().filter(|it| it.to_string().contains(text));
        lines.filter_map(|it| it["request_id"].as_str().map(str::to_owned)).collect()
    }
}

fn is_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("function-") && name.ends_with(".log")
}

/// Starts the account, in which everything happens at once, and returns where it is.
async fn serve(function: &str) -> (Child, String) {
    let mut command = Command::new(PathBuf::from(program("BLUEGREEN_TEST_SIM")));
    command.args(["serve", "--port", "0", "--instant", "--unlimited", "--empty"]);
    // It invokes once at a time for each: a function that is at work can be invoked all the same.
    command.args(["--function", function, "--function", function]).kill_on_drop(true);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let url = line.trim().strip_prefix("export AWS_ENDPOINT_URL=").unwrap().to_owned();
    (child, url)
}

/// Looks until there is something to see.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let pace = Pace {
        first_look: Duration::from_millis(50),
        longest_look: Duration::from_millis(500),
        deadline: PATIENCE,
    };
    let look =
        async || Ok(look().await.map_or_else(|| Look::Waiting(what.to_owned()), Look::Ready));
    wait::until(what, pace, &CancellationToken::new(), |_| (), look).await.unwrap()
}
