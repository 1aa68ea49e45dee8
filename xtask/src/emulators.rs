//! Starts the emulators of AWS, and ends them.

use std::{
    env,
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::python::{self, Python};

/// The access key id, which both emulators take as the number of the account.
const ACCOUNT: &str = "123456789012";
/// The services that the second emulator answers; all others go to the first.
const OF_MINISTACK: [&str; 3] = ["CLOUDWATCH", "KINESIS", "LAMBDA"];
/// How often an emulator is asked whether it is up, a tenth of a second apart.
const LOOKS: usize = 600;

/// The running emulators; they end when it is dropped.
#[derive(Debug)]
pub(crate) struct Emulators {
    moto: Emulator,
    ministack: Emulator,
}

impl Emulators {
    /// Installs the emulators if they are not there, and starts them on free ports.
    ///
    /// Unless `keep` is set they end with this process, even when it is killed.
    ///
    /// # Errors
    ///
    /// When one of them cannot be installed, or does not answer within a minute.
    pub(crate) fn start(root: &Path, keep: bool) -> Result<Self> {
        let python = python::install(root, &python::EMULATORS)?;
        let folder = root.join("target").join(python::EMULATORS.name);
        let moto = moto(&python, &folder, !keep)?;
        let ministack = ministack(&python, &folder, !keep)?;
        moto.answers("/moto-api/")?;
        ministack.answers("/_ministack/health")?;
        println!("the emulators listen on ports {} and {}", moto.port, ministack.port);
        Ok(Self { moto, ministack })
    }

    /// Returns the environment that points every AWS tool at the emulators.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        environment(self.moto.port, self.ministack.port)
    }

    /// Makes `command` speak to the emulators only, whatever this process has been given.
    pub(crate) fn point<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        point(command, &self.environment())
    }

    /// Leaves the emulators running, and says how to use and to end them.
    pub(crate) fn keep(self) {
        println!("\nthe emulators go on; this points every AWS tool at them:\n");
        for (name, value) in self.environment() {
            println!("export {name}={value}");
        }
        println!("\nkill {} {}   # ends them", self.moto.child.id(), self.ministack.child.id());
        std::mem::forget(self);
    }
}

/// One emulator, a process of its own.
#[derive(Debug)]
struct Emulator {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Emulator {
    fn start(mut command: Command, name: &str, port: u16, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("making {}", log.display()))?;
        let errors = file.try_clone().context("using the log twice")?;
        command.current_dir(folder).stdout(file).stderr(errors);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { child, port, log })
    }

    /// Returns once the emulator answers a request for `path`.
    #[expect(clippy::disallowed_methods, reason = "there is nothing else to do meanwhile")]
    fn answers(&self, path: &str) -> Result<()> {
        for _ in 0..LOOKS {
            if get(self.port, path).is_some_and(|it| it.contains(" 200 ")) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let end: Vec<_> = log.lines().rev().take(5).collect();
        let end: Vec<_> = end.into_iter().rev().collect();
        bail!("an emulator does not answer; {} ends with\n{}", self.log.display(), end.join("\n"))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, and needs not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn moto(python: &Python, folder: &Path, leashed: bool) -> Result<Emulator> {
    let port = free_port()?;
    let mut command = python.module("moto.server", leashed);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    Emulator::start(command, "moto", port, folder)
}

fn ministack(python: &Python, folder: &Path, leashed: bool) -> Result<Emulator> {
    let port = free_port()?;
    let mut command = python.module("ministack", leashed);
    command.env("GATEWAY_PORT", port.to_string());
    // Without the first it would listen to the whole network.
    command.env("BIND_HOST", "127.0.0.1").env("MINISTACK_HOST", "127.0.0.1");
    // So would the device gateway of a service that nobody needs here.
    command.env("IOT_MTLS_ENABLED", "0");
    Emulator::start(command, "ministack", port, folder)
}

fn environment(moto: u16, ministack: u16) -> Vec<(String, String)> {
    let mut variables = speaking_to(&format!("http://127.0.0.1:{moto}"));
    variables.extend(
        OF_MINISTACK
            .map(|it| (format!("AWS_ENDPOINT_URL_{it}"), format!("http://127.0.0.1:{ministack}"))),
    );
    variables
}

/// Returns the environment of an AWS tool that speaks to `url`, and asks nobody for credentials.
pub(crate) fn speaking_to(url: &str) -> Vec<(String, String)> {
    [
        ("AWS_ACCESS_KEY_ID", ACCOUNT),
        ("AWS_SECRET_ACCESS_KEY", "none"),
        ("AWS_REGION", "eu-west-1"),
        // Version 1 of the AWS CLI takes the Region from here only.
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("NO_PROXY", "127.0.0.1"),
        ("AWS_ENDPOINT_URL", url),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Gives `command` these variables, and none of AWS's that this process has.
pub(crate) fn point<'a>(
    command: &'a mut Command,
    variables: &[(String, String)],
) -> &'a mut Command {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|it| it.starts_with("AWS_")) {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)))
}

/// Asks the operating system for a port that nobody listens on.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a port")?;
    Ok(listener.local_addr().context("looking for a port")?.port())
}

/// Sends a GET request to a port of this machine, and returns the first line of the answer.
fn get(port: u16, path: &str) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut start = [0; 64];
    let length = stream.read(&mut start).ok()?;
    let answer = String::from_utf8_lossy(&start[..length]);
    answer.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn each_service_is_sent_to_the_emulator_that_does_it_well() {
        let variables = environment(1000, 2000);

        let of = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1.as_str());
        assert_eq!(of("AWS_ENDPOINT_URL"), Some("http://127.0.0.1:1000"));
        assert_eq!(of("AWS_ENDPOINT_URL_LAMBDA"), Some("http://127.0.0.1:2000"));
        assert_eq!(of("AWS_ENDPOINT_URL_CLOUDWATCH"), Some("http://127.0.0.1:2000"));
        assert_eq!(of("AWS_ENDPOINT_URL_KINESIS"), Some("http://127.0.0.1:2000"));
        assert_eq!(of("AWS_ENDPOINT_URL_RDS"), None);
    }

    #[test]
    fn an_emulator_ends_when_it_is_dropped() {
        let folder = env::temp_dir();
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        let emulator = Emulator::start(sleep, "xtask-sleeper", 0, &folder).unwrap();
        let alive = format!("kill -0 {}", emulator.child.id());
        let is_alive = || {
            let mut kill = Command::new("sh");
            kill.args(["-c", &alive]).stderr(Stdio::null()).status().unwrap().success()
        };
        assert!(is_alive());

        drop(emulator);

        assert!(!is_alive());
        fs::remove_file(folder.join("xtask-sleeper.log")).unwrap();
    }

    #[test]
    fn the_first_line_of_an_answer_is_read_and_silence_is_none() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 18];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            request
        });

        let answer = get(port, "/up");

        assert_eq!(answer.as_deref(), Some("HTTP/1.1 200 OK"));
        assert_eq!(&server.join().unwrap(), b"GET /up HTTP/1.1\r\n");
        assert_eq!(get(free_port().unwrap(), "/up"), None);
    }
}
