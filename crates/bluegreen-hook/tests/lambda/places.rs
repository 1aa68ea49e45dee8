//! [`Places`], where the calls of each service of AWS go: all to the simulated account, or most of them to emulators that
//! nobody here wrote.
//!
//! No emulator runs deployments of ECS, nor lets a hook of CodeDeploy report: both services stay in the simulated
//! account, which plays the platform and invokes the function. All else is moto's, and ministack's what moto gets wrong.
//! Lambda is both: ministack has the mappings of the shop, the account knows where the hook itself runs, and is told when
//! the hook hands its work over to itself. Which of them a call is for stands in its path.

use std::{io, net::Ipv4Addr};

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex, MutexGuard},
};

use crate::emulator::{FUNCTION, program};

/// The variable of the AWS tools for the services that have none of their own.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// The services that the simulated account plays.
const OF_ACCOUNT: [&str; 2] = ["CODEDEPLOY", "ECS"];

/// The services that ministack plays, as `cargo xtask test` has them everywhere.
const OF_MINISTACK: [&str; 2] = ["CLOUDWATCH", "KINESIS"];

/// There is one of each emulator, which is emptied before each scenario: they take their turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// Where the calls go.
#[derive(Debug)]
pub(crate) struct Places {
    endpoints: Vec<(String, String)>,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Places {
    /// Sends all calls to the account.
    pub(crate) fn simulated(account: &str) -> Self {
        Self { endpoints: vec![(ENDPOINT.to_owned(), account.to_owned())], _turn: None }
    }

    /// Waits for the emulators, empties them, and sends most calls there.
    pub(crate) async fn emulated(account: &str) -> Self {
        let turn = TURN.lock().await;
        let moto = program("BLUEGREEN_TEST_MOTO").into_string().unwrap();
        let ministack = program("BLUEGREEN_TEST_MINISTACK").into_string().unwrap();
        empty(port(&moto), "/moto-api/reset").await.unwrap();
        empty(port(&ministack), "/_ministack/reset").await.unwrap();
        let lambda = divided(port(account), port(&ministack)).await;
        let of = |service: &str, url: &str| (format!("{ENDPOINT}_{service}"), url.to_owned());
        let mut endpoints = vec![(ENDPOINT.to_owned(), moto)];
        endpoints.extend(OF_ACCOUNT.map(|it| of(it, account)));
        endpoints.extend(OF_MINISTACK.map(|it| of(it, &ministack)));
        endpoints.push(of("LAMBDA", &format!("http://127.0.0.1:{lambda}")));
        Self { endpoints, _turn: Some(turn) }
    }

    /// Returns the variables that tell every AWS tool.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.endpoints
    }

    /// Returns what tells the SDK in this process.
    pub(crate) fn of_services(&self) -> impl LoadServiceConfig + use<> {
        Endpoints(self.endpoints.clone())
    }
}

/// Endpoints by the variables of the AWS tools.
#[derive(Debug)]
struct Endpoints(Vec<(String, String)>);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        let own = format!("{}_{service}", key.env());
        let find = |name: &str| self.0.iter().find(|it| it.0 == name).map(|it| it.1.clone());
        find(&own).or_else(|| find(key.env()))
    }
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

/// Empties an emulator.
async fn empty(port: u16, path: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.lines().next().is_some_and(|it| it.contains(" 200")), "{answer}");
    Ok(())
}

/// Listens on a free port for calls of Lambda: those about the function go to the account, all others to the emulator.
/// Returns the port.
async fn divided(account: u16, emulator: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((caller, _)) = listener.accept().await {
            // Whoever hangs up ends it.
            tokio::spawn(async move { pass(caller, account, emulator).await.ok() });
        }
    });
    port
}

async fn pass(mut caller: TcpStream, account: u16, emulator: u16) -> io::Result<()> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        if caller.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let line = read.split(|it| *it == b'\r').next().unwrap_or_default();
    let is_own = String::from_utf8_lossy(line).contains(FUNCTION);
    // The next call of the same caller may be for the other.
    read.splice(end..end, b"\r\nConnection: close".iter().copied());
    let to = if is_own { account } else { emulator };
    let mut to = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
    to.write_all(&read).await?;
    tokio::io::copy_bidirectional(&mut caller, &mut to).await.map(drop)
}
