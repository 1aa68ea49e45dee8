//! What stands between the function and cargo-lambda's runtime API: it makes of two of its headers what AWS sends.

use std::{
    net::Ipv4Addr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    emulator::FUNCTION,
    stage::{ACCOUNT, REGION},
};

/// What the emulator says in every answer that hands out an invocation.
const ARN: &str = "lambda-runtime-invoked-function-arn: function-arn\r\n";
const DEADLINE: &str = "lambda-runtime-deadline-ms: 600000\r\n";

/// How long a function may work, as AWS lets it.
const TIMEOUT: Duration = Duration::from_secs(900);

/// Listens on a free port for whoever wants to speak to the emulator on `emulator`, and returns the port.
pub(crate) async fn corrected(emulator: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((function, _)) = listener.accept().await {
            let Ok(emulator) = TcpStream::connect((Ipv4Addr::LOCALHOST, emulator)).await else {
                continue;
            };
            let (mut from_function, mut to_function) = function.into_split();
            let (mut from_emulator, mut to_emulator) = emulator.into_split();
            tokio::spawn(async move {
                // Whoever hangs up ends it.
                let _ = tokio::io::copy(&mut from_function, &mut to_emulator).await;
            });
            tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(length) = from_emulator.read(&mut buffer).await {
                    if length == 0
                        || to_function.write_all(&correct(&buffer[..length])).await.is_err()
                    {
                        break;
                    }
                }
            });
        }
    });
    port
}

/// Puts what AWS says in the place of what the emulator says. The headers come in one piece; anything else passes.
fn correct(piece: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(piece) else { return piece.to_vec() };
    #[expect(clippy::disallowed_methods, reason = "the deadline is a time of day")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = format!("lambda-runtime-deadline-ms: {}\r\n", (now + TIMEOUT).as_millis());
    let arn = format!(
        "lambda-runtime-invoked-function-arn: arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}\r\n"
    );
    text.replacen(ARN, &arn, 1).replacen(DEADLINE, &deadline, 1).into_bytes()
}

#[test]
fn only_the_two_headers_are_corrected() {
    let piece = format!("HTTP/1.1 200 OK\r\n{ARN}{DEADLINE}\r\n{{\"a\":1}}");

    let corrected = String::from_utf8(correct(piece.as_bytes())).unwrap();

    assert!(corrected.contains(":function:CodeDeployHook_bluegreen\r\n"), "{corrected}");
    assert!(!corrected.contains(": 600000\r\n"), "{corrected}");
    assert!(corrected.starts_with("HTTP/1.1 200 OK\r\n") && corrected.ends_with("\r\n{\"a\":1}"));
    assert_eq!(correct(b"\xff{}"), b"\xff{}");
}
