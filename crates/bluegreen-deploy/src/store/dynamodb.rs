//! [`DynamoDbStorage`], which keeps records in a DynamoDB table: for several machines, and for hooks.

mod table;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    config::{Builder, retry::RetryConfig},
    error::SdkError,
    operation::{
        put_item::PutItemError, transact_write_items::TransactWriteItemsError,
        update_item::UpdateItemError,
    },
    types::{
        AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
    },
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use bluegreen_core::Error as CallError;
use sha2::{Digest, Sha256};

use super::storage::{Changes, Holder, Lease, Records, Storage};
use crate::{Error, Result};

/// The sort key of the item that is the lease.
const LEASE: &str = "lease";

/// What the sort keys of all records begin with.
const RECORD: &str = "record/";

/// How many times a call is tried, and a write sent whose outcome is not known, or that another was in the way of.
const TRIES: u32 = 5;

/// The time between two of them.
const PAUSE: Duration = Duration::from_millis(200);

/// An item of the table.
type Item = HashMap<String, AttributeValue>;

/// Keeps records in a DynamoDB table, which several stack files may share.
///
/// Each record is an item of its own, so that a long journal meets no limit. A write is one transaction, which
/// is made only while the lease's item has the number that it was taken with, and after all writes that were begun
/// before it: one that arrives late is refused. Reads are consistent. On a global table it works in one Region only: conditional writes do not hold across Regions.
///
/// It calls `dynamodb:GetItem`, `dynamodb:Query`, `dynamodb:PutItem`, `dynamodb:UpdateItem` and
/// `dynamodb:DeleteItem`, on that table alone.
#[derive(Debug)]
pub struct DynamoDbStorage {
    client: Client,
    table: String,
    name: String,
    lasts: Duration,
    beat: AtomicU64,
    /// Renewals and writes change the same item: one at a time.
    turn: tokio::sync::Mutex<()>,
}

impl DynamoDbStorage {
    /// Makes one for the stack file `name` in `table`, with leases that live for `lasts` unrenewed. Nothing is
    /// called yet. Each call is tried five times, or more often where `sdk` says so.
    pub fn new(sdk: &SdkConfig, table: &str, name: &str, lasts: Duration) -> Self {
        let retries = sdk.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        let tries = retries.max_attempts().max(TRIES);
        let config = Builder::from(sdk).retry_config(retries.with_max_attempts(tries));
        Self::from_client(Client::from_conf(config.build()), table, name, lasts)
    }

    /// Makes one over a client that the caller has built.
    pub fn from_client(client: Client, table: &str, name: &str, lasts: Duration) -> Self {
        Self {
            client,
            table: table.to_owned(),
            name: name.to_owned(),
            lasts,
            beat: AtomicU64::new(0),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn key(&self, sort: &str) -> Item {
        Item::from([("pk".to_owned(), text(&self.name)), ("sk".to_owned(), text(sort))])
    }

    fn next_beat(&self) -> u64 {
        self.beat.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn failed(&self, err: CallError, code: Option<&str>) -> Error {
        if code != Some("ResourceNotFoundException") {
            return err.into();
        }
        let what = "does not exist: `bluegreen init --create-table` makes it".to_owned();
        Error::Store { place: self.place(), what, source: Some(err.into()) }
    }

    fn foreign(&self, what: String) -> Error {
        Error::Store { place: self.place(), what, source: None }
    }

    /// Reads the item that is the lease, whether somebody holds it or not.
    async fn lease_item(&self) -> Result<Option<LeaseItem>> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(self.key(LEASE)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|err| self.error("dynamodb:GetItem", err))?;
        answer.item.map(|it| self.parse_lease(&it)).transpose()
    }

    fn parse_lease(&self, item: &Item) -> Result<LeaseItem> {
        let parsed = LeaseItem::parse(item);
        parsed.ok_or_else(|| {
            self.foreign("holds something else than a lease as its lease".to_owned())
        })
    }

    fn error<E>(&self, operation: &'static str, err: SdkError<E>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let code = err.code().map(str::to_owned);
        self.failed(CallError::aws(operation, err), code.as_deref())
    }

    /// Says what a refused condition means: this very change was made by an earlier try, or the lease is another's.
    fn refused(&self, lease: &Lease, beat: u64, found: Option<&Item>) -> Result<()> {
        let found = found.map(|it| self.parse_lease(it)).transpose()?;
        match found {
            Some(it) if it.is_held && it.fence == lease.fence && it.beat == beat => Ok(()),
            found => Err(Error::LeaseLost { to: found.and_then(LeaseItem::holder) }),
        }
    }

    /// Returns the change of the lease's item that a write or a renewal makes.
    fn beats(&self, lease: &Lease, beat: u64) -> Update {
        let values = HashMap::from([
            (":beat".to_owned(), number(beat)),
            (":fence".to_owned(), number(lease.fence)),
            (":held".to_owned(), AttributeValue::Bool(true)),
        ]);
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(self.key(LEASE)))
            .update_expression("SET beat = :beat")
            .condition_expression("fence = :fence AND held = :held AND beat < :beat")
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("an update with its key, table and expression is complete")
    }

    fn put_or_delete(&self, key: &str, value: Option<&serde_json::Value>) -> TransactWriteItem {
        let key = self.key(&format!("{RECORD}{key}"));
        let item = TransactWriteItem::builder();
        match value {
            Some(value) => {
                let item_value = Item::from([("value".to_owned(), text(&value.to_string()))]);
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(key.into_iter().chain(item_value).collect()))
                    .build()
                    .expect("a put with its table and item is complete");
                item.put(put).build()
            }
            None => {
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(key))
                    .build()
                    .expect("a delete with its table and key is complete");
                item.delete(delete).build()
            }
        }
    }

    /// Sends a transaction once.
    async fn send(
        &self,
        lease: &Lease,
        beat: u64,
        token: &str,
        items: &[TransactWriteItem],
    ) -> Result<()> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let sent = self
            .client
            .transact_write_items()
            .client_request_token(token)
            .set_transact_items(Some(items.to_vec()))
            .send()
            .await;
        let Err(err) = sent else { return Ok(()) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            err.as_service_error()
        {
            let reasons = cancelled.cancellation_reasons();
            let of_lease = reasons.first().filter(|it| it.code() == Some("ConditionalCheckFailed"));
            if let Some(reason) = of_lease {
                return self.refused(lease, beat, reason.item());
            }
            let passing =
                ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
            if reasons.iter().filter_map(|it| it.code()).any(|it| passing.contains(&it)) {
                return Err(
                    CallError::Throttled { operation: OPERATION, source: err.into() }.into()
                );
            }
        }
        Err(self.error(OPERATION, err))
    }
}

/// The item that is the lease.
#[derive(Debug)]
struct LeaseItem {
    is_held: bool,
    owner: String,
    since: SystemTime,
    fence: u64,
    beat: u64,
    lasts: Duration,
}

impl LeaseItem {
    fn parse(item: &Item) -> Option<Self> {
        let number = |key: &str| item.get(key)?.as_n().ok()?.parse::<u64>().ok();
        let text = |key: &str| item.get(key)?.as_s().ok();
        Some(Self {
            is_held: *item.get("held")?.as_bool().ok()?,
            owner: text("owner")?.clone(),
            since: humantime::parse_rfc3339(text("since")?).ok()?,
            fence: number("fence")?,
            beat: number("beat")?,
            lasts: Duration::from_millis(number("lasts")?),
        })
    }

    fn holder(self) -> Option<Holder> {
        let Self { is_held, owner, since, fence, beat, lasts } = self;
        is_held.then_some(Holder { owner, since, fence, beat, lasts })
    }
}

#[async_trait]
impl Storage for DynamoDbStorage {
    fn place(&self) -> String {
        format!("table {}", self.table)
    }

    fn lease_lasts(&self) -> Option<Duration> {
        Some(self.lasts)
    }

    async fn read(&self, prefix: &str) -> Result<Records> {
        let start = format!("{RECORD}{prefix}");
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :start)")
            .expression_attribute_values(":pk", text(&self.name))
            .expression_attribute_values(":start", text(&start))
            .into_paginator()
            .send();
        let mut records = Records::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|err| self.error("dynamodb:Query", err))?;
            for item in page.items() {
                let key = item.get("sk").and_then(|it| it.as_s().ok());
                let key = key.and_then(|it| it.strip_prefix(RECORD)).unwrap_or_default();
                let value = item.get("value").and_then(|it| it.as_s().ok());
                let value = value.and_then(|it| serde_json::from_str(it).ok());
                let value = value.ok_or_else(|| {
                    self.foreign(format!("holds something else than expected under `{key}`"))
                })?;
                records.insert(key.to_owned(), value);
            }
        }
        Ok(records)
    }

    async fn write(&self, lease: &Lease, changes: &Changes) -> Result<()> {
        let _turn = self.turn.lock().await;
        let beat = self.next_beat();
        // The same for every try: AWS takes it for one write, however often it is sent.
        let Lease { owner, fence } = lease;
        let token = format!("{}/{}/{owner}/{fence}/{beat}", self.table, self.name);
        let token = Sha256::digest(token);
        let token: String = token.iter().take(16).map(|it| format!("{it:02x}")).collect();
        let beats = TransactWriteItem::builder().update(self.beats(lease, beat)).build();
        let records = changes.iter().map(|(key, value)| self.put_or_delete(key, value.as_ref()));
        let items: Vec<TransactWriteItem> = std::iter::once(beats).chain(records).collect();
        let mut tries = 1;
        loop {
            match self.send(lease, beat, &token, &items).await {
                Err(Error::Toolkit(err)) if err.is_transient() && tries < TRIES => {
                    tracing::debug!("the write is sent again: {err}");
                    tries += 1;
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a write is sent again by the clock"
                    )]
                    tokio::time::sleep(PAUSE * tries).await;
                }
                sent => return sent,
            }
        }
    }

    /// Asks for a transaction of all kinds of writes, on a condition that nothing can meet.
    async fn may_write(&self) -> Result<()> {
        const IMPOSSIBLE: &str = "attribute_exists(pk) AND attribute_not_exists(pk)";
        let key = |name: &str| self.key(&format!("check/{name}"));
        let put = Put::builder().table_name(&self.table).set_item(Some(key("put")));
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key("delete")));
        let update = Update::builder().table_name(&self.table).set_key(Some(key("update")));
        let update = update.update_expression("SET checked = :checked");
        let update = update.expression_attribute_values(":checked", AttributeValue::Bool(true));
        let incomplete = |err| self.foreign(format!("cannot be asked: {err}"));
        let put = put.condition_expression(IMPOSSIBLE).build().map_err(incomplete)?;
        let delete = delete.condition_expression(IMPOSSIBLE).build().map_err(incomplete)?;
        let update = update.condition_expression(IMPOSSIBLE).build().map_err(incomplete)?;
        let items = vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().update(update).build(),
        ];
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(err) = sent else { return Ok(()) };
        match err.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(_)) => Ok(()),
            _ => Err(self.error("dynamodb:TransactWriteItems", err)),
        }
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        Ok(self.lease_item().await?.and_then(LeaseItem::holder))
    }

    async fn take(
        &self,
        owner: &str,
        now: SystemTime,
        seen: Option<&Holder>,
    ) -> Result<Option<Lease>> {
        const OPERATION: &str = "dynamodb:PutItem";
        let before = self.lease_item().await?;
        let fence = before.as_ref().map_or(0, |it| it.fence);
        if before.and_then(LeaseItem::holder).as_ref() != seen {
            return Ok(None);
        }
        let since = humantime::format_rfc3339_nanos(now).to_string();
        let lasts = u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX);
        let mut item = self.key(LEASE);
        item.extend([
            ("held".to_owned(), AttributeValue::Bool(true)),
            ("owner".to_owned(), text(owner)),
            ("since".to_owned(), text(&since)),
            ("fence".to_owned(), number(fence + 1)),
            ("beat".to_owned(), number(0)),
            ("lasts".to_owned(), number(lasts)),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = match seen {
            Some(holder) => put
                .condition_expression("fence = :fence AND beat = :beat AND held = :held")
                .expression_attribute_values(":beat", number(holder.beat))
                .expression_attribute_values(":held", AttributeValue::Bool(true)),
            None => put
                .condition_expression(
                    "attribute_not_exists(sk) OR (fence = :fence AND held = :held)",
                )
                .expression_attribute_values(":held", AttributeValue::Bool(false)),
        };
        let sent = put
            .expression_attribute_values(":fence", number(fence))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let lease = Lease { owner: owner.to_owned(), fence: fence + 1 };
        match sent {
            Ok(_) => Ok(Some(lease)),
            Err(err) => {
                let Some(PutItemError::ConditionalCheckFailedException(failed)) =
                    err.as_service_error()
                else {
                    return Err(self.error(OPERATION, err));
                };
                // An earlier try of this very call may have taken it.
                let found = failed.item().map(|it| self.parse_lease(it)).transpose()?;
                let is_ours = |it: &LeaseItem| {
                    it.is_held && it.owner == owner && it.since == now && it.fence == lease.fence
                };
                Ok(found.is_some_and(|it| is_ours(&it)).then_some(lease))
            }
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        let _turn = self.turn.lock().await;
        let beat = self.next_beat();
        let Update { key, update_expression, condition_expression, .. } = self.beats(lease, beat);
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression(update_expression)
            .set_condition_expression(condition_expression)
            .expression_attribute_values(":beat", number(beat))
            .expression_attribute_values(":fence", number(lease.fence))
            .expression_attribute_values(":held", AttributeValue::Bool(true))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(err) = sent else { return Ok(()) };
        match err.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                self.refused(lease, beat, failed.item())
            }
            _ => Err(self.error("dynamodb:UpdateItem", err)),
        }
    }

    async fn give_back(&self, lease: &Lease) -> Result<()> {
        let _turn = self.turn.lock().await;
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(self.key(LEASE)))
            .update_expression("SET held = :free")
            .condition_expression("fence = :fence")
            .expression_attribute_values(":free", AttributeValue::Bool(false))
            .expression_attribute_values(":fence", number(lease.fence))
            .send()
            .await;
        let Err(err) = sent else { return Ok(()) };
        match err.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(self.error("dynamodb:UpdateItem", err)),
        }
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
mod tests;
