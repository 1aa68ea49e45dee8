//! The two servers that a function talks to: AWS Lambda's runtime API, and all the rest of AWS.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{Future, pending},
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result};
use bluegreen_sim::SimulatedAccount;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::HeaderMap,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, spawn_local},
    time::Instant,
};

/// A server; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// When a call began, and when it was answered.
pub(crate) type Call = (Instant, Instant);

/// What a function has answered, and when.
pub(crate) type Answered = (Instant, Result<String, String>);

/// Lets the account answer on a free port, each call after `delay`. Each is noted in `calls`.
pub(crate) async fn aws(
    account: SimulatedAccount,
    delay: Duration,
    calls: Rc<RefCell<Vec<Call>>>,
) -> Result<Server> {
    serve(move |request| {
        let (account, calls) = (account.clone(), Rc::clone(&calls));
        async move {
            let began = Instant::now();
            let answer = of_account(&account, request).await;
            if !delay.is_zero() {
                #[expect(clippy::disallowed_methods, reason = "AWS takes its time")]
                tokio::time::sleep(delay).await;
            }
            calls.borrow_mut().push((began, Instant::now()));
            answer
        }
    })
    .await
}

async fn of_account(
    account: &SimulatedAccount,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let request = bluegreen_sim::Request {
        method: head.method.to_string(),
        uri: head.uri.to_string(),
        content_type: header(&head.headers, "content-type"),
        target: header(&head.headers, "x-amz-target"),
        authorization: header(&head.headers, "authorization"),
        attempt: header(&head.headers, "amz-sdk-request"),
        invocation_type: header(&head.headers, "x-amz-invocation-type"),
        body: body.collect().await.context("reading a call")?.to_bytes().to_vec(),
    };
    let answer = account.answer(request).await.ok().context("the account gave no answer")?;
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::from(answer.body)).context("writing an answer")
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
}

/// Plays AWS Lambda to one function: hands out `event` once, with `deadline` in milliseconds since 1970, and tells what
/// comes back.
pub(crate) async fn lambda(
    event: String,
    deadline: u64,
) -> Result<(Server, oneshot::Receiver<Answered>)> {
    let (sender, receiver) = oneshot::channel();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let is_handed_out = Rc::new(Cell::new(false));
    let server = serve(move |request: Request<Incoming>| {
        let (sender, is_handed_out) = (Rc::clone(&sender), Rc::clone(&is_handed_out));
        let event = event.clone();
        async move {
            let path = request.uri().path().to_owned();
            if path.ends_with("/invocation/next") {
                if is_handed_out.replace(true) {
                    return pending().await;
                }
                let response = Response::builder()
                    .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
                    .header("lambda-runtime-deadline-ms", deadline)
                    .header(
                        "lambda-runtime-invoked-function-arn",
                        "arn:aws:lambda:eu-west-1:123456789012:function:CodeDeployHook_bluegreen",
                    )
                    .header(
                        "lambda-runtime-trace-id",
                        "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
                    )
                    .header("content-type", "application/json");
                return response.body(Full::from(event)).context("writing the event");
            }
            let body = request.into_body().collect().await.context("reading an answer")?;
            let answered = Instant::now();
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            let outcome = if path.ends_with("/response") { Ok(body) } else { Err(body) };
            if let Some(sender) = sender.borrow_mut().take() {
                // Whoever does not listen any more has given up.
                let _ = sender.send((answered, outcome));
            }
            let response = Response::builder().status(StatusCode::ACCEPTED);
            response.body(Full::default()).context("writing an answer")
        }
    })
    .await?;
    Ok((server, receiver))
}

/// Serves HTTP on a free port of this machine.
async fn serve<Answer>(
    answer: impl Fn(Request<Incoming>) -> Answer + Clone + 'static,
) -> Result<Server>
where
    Answer: Future<Output = Result<Response<Full<Bytes>>>> + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("taking a port")?;
    let address = listener.local_addr().context("taking a port")?;
    let task = spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            spawn_local(async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|err| failure(&err))) }
                });
                // A function that is killed hangs up.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(Server { address, task })
}

fn failure(err: &anyhow::Error) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{err:#}")));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
