//! The commands about releases, run as a person runs them: on a store in a folder, with a stack file that names no
//! resource. Whose credentials they have is all that they ask of AWS, and a stand-in says it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod decisions;
mod endings;
mod history;
mod lease;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

/// What the stand-in answers to whatever it is asked.
const IDENTITY: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/test</Arn><UserId>AIDATEST</UserId>\
    <Account>123456789012</Account></GetCallerIdentityResult>\
    <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>";

/// A stack file whose traffic is where the file `traffic` says; what moves it fails while there is a file `broken`.
const SERVED: &str = r#"name = "shop"
region = "eu-west-1"
[traffic.web]
mover = "command"
move = ["sh", "-c", "test ! -e broken && printf $$BLUEGREEN_STACK > traffic"]
observe = ["cat", "traffic"]
[release]
hold = "0s"
watch = "0s"
[pace]
first-look = "5ms"
"#;

/// A folder with a stack file, and somebody who says whose credentials these are.
struct Shop {
    folder: TempDir,
    endpoint: String,
}

impl Shop {
    /// Makes one whose production is on a.
    fn new() -> Self {
        let shop = Self::not_adopted();
        shop.run(&["adopt", "--active", "a", "--yes"]).ended_with(0);
        shop
    }

    fn not_adopted() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bluegreen.toml"), SERVED).unwrap();
        fs::write(folder.path().join("traffic"), "a").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        // It ends with the tests.
        thread::spawn(move || listener.incoming().flatten().for_each(answer));
        Self { folder, endpoint }
    }

    /// Lets the command that moves traffic fail, or work again.
    fn break_traffic(&self, broken: bool) {
        let path = self.folder.path().join("broken");
        if broken { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bluegreen"));
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null());
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        Ended { arguments: arguments.join(" "), output: command.output().unwrap() }
    }
}

/// How a command has ended.
struct Ended {
    arguments: String,
    output: Output,
}

impl Ended {
    #[track_caller]
    fn ended_with(self, code: i32) -> Self {
        let Self { arguments, output } = &self;
        assert_eq!(output.status.code(), Some(code), "{arguments}: {}{}", self.out(), self.err());
        self
    }

    fn out(&self) -> &str {
        std::str::from_utf8(&self.output.stdout).unwrap()
    }

    fn err(&self) -> &str {
        std::str::from_utf8(&self.output.stderr).unwrap()
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(self.out()).unwrap()
    }
}

fn answer(stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}", IDENTITY.len());
    write!(reader.into_inner(), "{head}\r\nconnection: close\r\n\r\n{IDENTITY}").unwrap();
}
