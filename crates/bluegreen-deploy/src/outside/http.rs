//! HTTP requests, with the client and the TLS stack that the SDK has anyway.

use std::{sync::OnceLock, time::Duration};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    client::{http::HttpConnector, orchestrator},
    http,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use super::{HttpAnswer, HttpRequest};
use crate::{Error, Result};

/// How much of a body is read, in bytes.
const MOST: usize = 1 << 20;

/// Sends requests. Nothing is made before the first one: reading the machine's certificates takes a moment.
#[derive(Debug, Default)]
pub(super) struct Client(OnceLock<Connector>);

impl Client {
    pub(super) async fn get(&self, request: HttpRequest) -> Result<HttpAnswer> {
        let url = request.shown();
        let answer = tokio::time::timeout(request.timeout, self.send(&request)).await;
        answer
            .unwrap_or_else(|_| Err(late(request.timeout).into()))
            .map_err(|source| Error::Unanswered { url, source })
    }

    async fn send(&self, request: &HttpRequest) -> Result<HttpAnswer, bluegreen_core::BoxError> {
        let mut sent = http::Request::new(SdkBody::empty());
        sent.set_uri(request.url.as_str())?;
        sent.headers_mut().try_insert("user-agent", "bluegreen")?;
        for (name, value) in &request.headers {
            sent.headers_mut().try_insert(name.to_ascii_lowercase(), value.clone())?;
        }
        let connector = self.0.get_or_init(|| {
            Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
        });
        let answer = connector.call(sent).await?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter_bytes();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = headers.map(|(name, value)| (name.to_owned(), text(value))).collect();
        let body = text(&body(answer).await?);
        Ok(HttpAnswer { status, headers, body })
    }
}

async fn body(answer: orchestrator::HttpResponse) -> Result<Vec<u8>, bluegreen_core::BoxError> {
    let mut body = answer.into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() >= MOST {
            read.truncate(MOST);
            break;
        }
    }
    Ok(read)
}

fn late(timeout: Duration) -> String {
    format!("there was no whole answer within {}", humantime::format_duration(timeout))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::chain;

    /// Answers the first request on a port of this machine, and returns the URL and what was asked.
    async fn server(answer: String) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/health?token=7f3a", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            // Whoever waits for more waits until the test has ended.
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
            String::from_utf8(asked).unwrap()
        });
        (url, asked)
    }

    fn request(url: &str) -> HttpRequest {
        let headers = vec![("Authorization".to_owned(), "Bearer 7f3a".to_owned())];
        HttpRequest { url: url.to_owned(), headers, timeout: Duration::from_secs(20) }
    }

    #[tokio::test]
    async fn an_answer_is_read_with_status_headers_and_body() {
        let (url, asked) =
            server("HTTP/1.1 503 No\r\nx-version: 7\r\ncontent-length: 4\r\n\r\nbusy".to_owned())
                .await;

        let answer = Client::default().get(request(&url)).await.unwrap();

        assert_eq!((answer.status, answer.body.as_str()), (503, "busy"));
        assert!(answer.headers.contains(&("x-version".to_owned(), "7".to_owned())), "{answer:?}");
        let asked = asked.await.unwrap().to_ascii_lowercase();
        assert!(asked.starts_with("get /health?token=7f3a http/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\nauthorization: bearer 7f3a\r\n"), "{asked}");
        assert!(asked.contains("\r\nhost: 127.0.0.1"), "{asked}");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_like_any_other() {
        let (url, _) = server(
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
                .to_owned(),
        )
        .await;

        assert_eq!(Client::default().get(request(&url)).await.unwrap().status, 302);
    }

    #[tokio::test]
    async fn a_body_without_end_is_cut() {
        let (url, _) = server(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(MOST + 9))).await;

        assert_eq!(Client::default().get(request(&url)).await.unwrap().body.len(), MOST);
    }

    #[tokio::test]
    async fn without_an_answer_the_error_says_why_and_shows_no_secret() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = format!("http://{}/health?token=7f3a", listener.local_addr().unwrap());
        drop(listener);
        let (silent, _) = server(String::new()).await;
        let hasty = HttpRequest { timeout: Duration::from_millis(50), ..request(&silent) };

        let closed = chain(&Client::default().get(request(&closed)).await.unwrap_err());
        let silent = chain(&Client::default().get(hasty).await.unwrap_err());

        assert!(
            closed.contains("/health` did not answer: ") && closed.contains("refused"),
            "{closed}"
        );
        assert!(silent.ends_with("there was no whole answer within 50ms"), "{silent}");
        assert!(!closed.contains("7f3a") && !silent.contains("7f3a"), "{closed} {silent}");
    }
}
