//! Functions behind a URL, such as those that `cargo lambda watch` runs: what the account invokes them with is sent
//! there, and what they answer is brought back.

use std::str::FromStr;

use bluegreen_sim::SimulatedAccount;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Uri, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The longest answer that is read, in bytes: Lambda's own limit.
const LONGEST: usize = 6 * 1024 * 1024;

/// The header by which whoever runs a function says that it ended with an error of its own.
const ERROR: &str = "x-amz-function-error";

/// A function, and where it is invoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The function's name in the account.
    pub(crate) name: String,
    host: String,
    port: u16,
    path: String,
}

impl FromStr for Remote {
    type Err = String;

    /// Reads `hook=http://127.0.0.1:9000/2015-03-31/functions/hook/invocations`.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected NAME=URL, such as \
                        `hook=http://127.0.0.1:9000/2015-03-31/functions/hook/invocations`";
        let (name, url) = text.split_once('=').ok_or(expected)?;
        let url: Uri = url.parse().map_err(|err| format!("`{url}` is no URL: {err}"))?;
        let host = url.host().filter(|_| url.scheme_str() == Some("http"));
        let host = host.ok_or_else(|| format!("`{url}` does not begin with http://"))?;
        if name.is_empty() {
            return Err(expected.to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            host: host.to_owned(),
            port: url.port_u16().unwrap_or(80),
            path: url.path_and_query().map_or("/", |it| it.as_str()).to_owned(),
        })
    }
}

impl Remote {
    /// Sends the function what the account invokes it with, one invocation after the other, for ever.
    pub(crate) async fn run(self, account: SimulatedAccount) {
        loop {
            let invocation = account.next_invocation_of(&self.name).await;
            let sent = self.invoke(invocation.payload.clone());
            // When it has taken too long the account has ended it, and the next is sent.
            let answer = tokio::time::timeout(invocation.timeout, sent).await;
            if let Ok(answer) = answer {
                account.answer_invocation(invocation, answer);
            }
        }
    }

    async fn invoke(&self, payload: String) -> Result<String, String> {
        let told = |err: &dyn std::fmt::Display| format!("the function cannot be reached: {err}");
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = TokioIo::new(stream.map_err(|err| told(&err))?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|err| told(&err))?;
        // What goes wrong with the connection is told to whoever waits for the answer.
        let connection = tokio::task::spawn_local(connection);
        let request = Request::post(&self.path)
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(payload)))
            .map_err(|err| told(&err))?;
        let answer = sender.send_request(request).await.map_err(|err| told(&err))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(|err| told(&err))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        connection.abort();
        if head.status.is_success() && !head.headers.contains_key(ERROR) {
            Ok(body)
        } else if body.is_empty() {
            Err(format!("the function was answered for with {}", head.status))
        } else {
            Err(body)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bluegreen_sim::{Settings, Times};
    use hyper::{Response, server, service::service_fn};
    use tokio::{net::TcpListener, task::LocalSet};

    use super::*;

    /// Answers every request with its own body; with an error where that says `fail`.
    async fn functions(listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = service_fn(async |request: Request<hyper::body::Incoming>| {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let text = format!("{path} {}", String::from_utf8_lossy(&body));
                let answer = match text.contains("fail") {
                    true => Response::builder().header(ERROR, "Unhandled"),
                    false => Response::builder(),
                };
                Ok::<_, Infallible>(answer.body(Full::<Bytes>::from(text)).unwrap())
            });
            let stream = TokioIo::new(stream);
            tokio::task::spawn_local(
                server::conn::http1::Builder::new().serve_connection(stream, answer),
            );
        }
    }

    #[tokio::test]
    async fn what_a_function_is_invoked_with_is_sent_to_its_url_and_its_answer_brought_back() {
        let tasks = LocalSet::new();
        tasks
            .run_until(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let url = format!("hook=http://{}/invoke", listener.local_addr().unwrap());
                tokio::task::spawn_local(functions(listener));
                let remote: Remote = url.parse().unwrap();

                let good = remote.invoke("{}".to_owned()).await;
                let bad = remote.invoke("fail".to_owned()).await;
                let nowhere = Remote { port: 1, ..remote.clone() }.invoke("{}".to_owned()).await;

                assert_eq!(good.unwrap(), "/invoke {}");
                assert_eq!(bad.unwrap_err(), "/invoke fail");
                assert!(nowhere.unwrap_err().contains("cannot be reached"));
            })
            .await;
    }

    #[tokio::test]
    async fn invocations_of_the_account_go_where_the_function_is_one_after_the_other() {
        let tasks = LocalSet::new();
        tasks
            .run_until(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let url = format!("hook=http://{}/", listener.local_addr().unwrap());
                tokio::task::spawn_local(functions(listener));
                let settings = Settings { times: Times::instant(), ..Settings::default() };
                let account = SimulatedAccount::new(settings);
                account.world(|world| world.add_outside_function("hook", 60));
                let remote: Remote = url.parse().unwrap();
                tokio::task::spawn_local(remote.run(account.clone()));

                account.world(|world| {
                    world.invoke_asynchronously("hook", "1");
                    world.invoke_asynchronously("hook", "2");
                });
                let seen = || account.world(|world| world.lambda.invocations("hook").count());
                while seen() < 2 {
                    tokio::task::yield_now().await;
                }

                account.world(|world| {
                    let sent: Vec<_> =
                        world.lambda.invocations("hook").map(|it| &it.payload).collect();
                    assert_eq!(sent, ["1", "2"]);
                    assert!(world.lambda.invocations("hook").all(|it| !it.failed));
                });
            })
            .await;
    }

    #[test]
    fn what_names_no_function_with_a_url_is_refused() {
        for text in ["hook", "=http://127.0.0.1/", "hook=https://127.0.0.1/", "hook=127.0.0.1:9000"]
        {
            assert!(text.parse::<Remote>().is_err(), "{text}");
        }
        let remote: Remote = "hook=http://127.0.0.1:9000/a?b=c".parse().unwrap();
        assert_eq!((remote.port, remote.path.as_str()), (9000, "/a?b=c"));
    }
}
