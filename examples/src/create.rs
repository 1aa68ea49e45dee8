//! Builds the shop, with stack a in production and stack b at rest.

mod compute;
mod data;
mod messages;
mod watch;

use std::future::Future;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream, try_join};

use crate::{
    clients::Clients,
    shop::{self, Stack},
};

/// Builds both stacks.
pub(crate) async fn shop(clients: &Clients) -> Result<()> {
    let functions = async {
        data::stream(clients).await?;
        compute::functions(clients).await
    };
    try_join!(
        data::clusters(clients),
        data::tables(clients),
        compute::services(clients),
        messages::queues(clients),
        messages::topics(clients),
        functions,
        watch::alarms(clients),
    )?;
    Ok(())
}

/// Leaves in the ingest queue of `stack`, and in its dead letters, what a day of production does.
pub(crate) async fn work(clients: &Clients, stack: Stack) -> Result<()> {
    let queue = shop::of("ingest", stack);
    messages::send(clients, &queue, shop::LEFT.0).await?;
    messages::send(clients, &format!("{queue}-dlq"), shop::LEFT.1).await
}

/// Runs all `jobs`, several at once, and returns what they answer in their order.
async fn all<T>(jobs: impl IntoIterator<Item = impl Future<Output = Result<T>>>) -> Result<Vec<T>> {
    stream::iter(jobs).buffered(16).try_collect().await
}
