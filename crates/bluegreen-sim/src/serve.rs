//! Speaking HTTP, and what there is in an account to begin with.

mod functions;

use std::convert::Infallible;

use bluegreen_sim::{Request, SimulatedAccount, World};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Response, StatusCode,
    body::{Bytes, Incoming},
    header::HeaderMap,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::LocalSet};

pub(crate) use self::functions::Remote;

/// The longest request that is read, in bytes: AWS takes code of functions up to 50 MB.
const LONGEST: usize = 64 * 1024 * 1024;

/// Answers whoever connects, and invokes the functions that are behind URLs, until the process ends.
pub(crate) async fn serve(
    listener: TcpListener,
    account: SimulatedAccount,
    functions: Vec<Remote>,
) {
    let tasks = LocalSet::new();
    for function in functions {
        tasks.spawn_local(function.run(account.clone()));
    }
    tasks
        .run_until(async {
            loop {
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(err) => {
                        eprintln!("warning: a connection was not taken: {err}");
                        continue;
                    }
                };
                let account = account.clone();
                tokio::task::spawn_local(async move {
                    let answer = service_fn(|it| answer(&account, it));
                    // Whoever hangs up in the middle knows why.
                    let _ =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        })
        .await;
}

async fn answer(
    account: &SimulatedAccount,
    request: hyper::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(err) => {
            return Ok(failure(StatusCode::PAYLOAD_TOO_LARGE, format!("cannot be read: {err}")));
        }
    };
    let request = Request {
        method: head.method.to_string(),
        uri: head.uri.to_string(),
        content_type: header(&head.headers, "content-type"),
        target: header(&head.headers, "x-amz-target"),
        authorization: header(&head.headers, "authorization"),
        attempt: header(&head.headers, "amz-sdk-request"),
        invocation_type: header(&head.headers, "x-amz-invocation-type"),
        body,
    };
    let Ok(answer) = account.answer(request).await else {
        return Ok(failure(StatusCode::BAD_GATEWAY, "the connection broke".to_owned()));
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let response = response.body(Full::from(answer.body));
    Ok(response.unwrap_or_else(|err| {
        failure(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot be written: {err}"))
    }))
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
}

fn failure(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

/// Puts one of everything into an account, for each of two stacks.
pub(crate) fn furnish(world: &mut World) {
    let topic = world.add_topic("catalogue");
    let stream = world.add_stream("clicks");
    world.add_deployment("d-EXAMPLE01", &["BeforeAllowTraffic", "AfterAllowTraffic"]);
    for (stack, on) in [("a", true), ("b", false)] {
        let cluster = format!("orders-{stack}");
        world.add_cluster(&cluster, 2, if on { "available" } else { "stopped" });
        world.add_scaling_target("rds", &format!("cluster:{cluster}"), 1, 4);
        let queue = world.add_queue(&format!("ingest-{stack}"));
        world.set_visibility(&queue, 360);
        world.add_messages(&queue, 3);
        let filter = (!on).then_some(r#"{"__bluegreen_blocked__":["never"]}"#);
        world.add_subscription(&topic, &queue, filter);
        let function = format!("ingest-{stack}");
        world.add_function(&function, 60);
        world.add_alias(&function, "live");
        let alias = world.function_arn(&function, Some("live"));
        world.add_mapping(&alias, &queue, false);
        world.add_rule("default", &format!("{function}-regularly"), &alias, on);
        world.add_service("shop", &format!("worker-{stack}"), if on { 2 } else { 0 });
        world.add_scaling_target("ecs", &format!("service/shop/worker-{stack}"), 0, 4);
        world.add_consumer(&stream, &format!("clicks-{stack}"));
        world.add_table(&format!("sessions-{stack}"));
        world.add_alarm(&format!("shop-{stack}-errors"), false, on);
        world.add_alarm(&format!("shop-{stack}-health"), true, on);
    }
}
