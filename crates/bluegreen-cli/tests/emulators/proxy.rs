//! [`Proxy`], which stands between another process and the emulators, and notes what that process sends.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
};

use crate::account::Account;

/// Passes on what it gets, until the test ends.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Listens on a free port of this machine.
    pub(crate) async fn to(account: &Account) -> Self {
        let server = account.sdk.endpoint_url().unwrap().trim_start_matches("http://");
        let server: SocketAddr = server.parse().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server, Arc::clone(&noted)));
            }
        });
        Self { url, calls }
    }

    /// Returns all requests so far: each with its first line, and the operation where that does not name it.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn pass_on(client: TcpStream, server: SocketAddr, calls: Arc<Mutex<Vec<String>>>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut requests = BufReader::new(from_client);
    while let Some((what, request)) = next(&mut requests).await {
        calls.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        if to_server.write_all(&request).await.is_err() {
            return;
        }
    }
}

/// Reads a whole request, and says what it is; `None` at the end of the connection.
async fn next(requests: &mut BufReader<OwnedReadHalf>) -> Option<(String, Vec<u8>)> {
    let (mut request, mut length, mut what) = (Vec::new(), 0, String::new());
    loop {
        let begin = request.len();
        if requests.read_until(b'\n', &mut request).await.ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&request[begin..]).trim().to_owned();
        match line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim())) {
            Some((name, value)) if name == "content-length" => length = value.parse().ok()?,
            Some((name, value)) if name == "x-amz-target" => what = format!("{what} {value}"),
            _ if begin == 0 => what = line,
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let begin = request.len();
    request.resize(begin + length, 0);
    requests.read_exact(&mut request[begin..]).await.ok()?;
    let body = String::from_utf8_lossy(&request[begin..]);
    if let Some(action) = body.strip_prefix("Action=") {
        what = format!("{what} {}", action.split('&').next().unwrap_or_default());
    }
    Some((what, request))
}
