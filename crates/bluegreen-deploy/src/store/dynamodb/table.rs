//! Making the table that a store is kept in.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
};
use bluegreen_core::wait::Look;

use super::DynamoDbStorage;
use crate::{Error, Result};

impl DynamoDbStorage {
    /// Makes the table if there is none: billed by request, and protected against deletion. Returns whether it was
    /// missing.
    ///
    /// Calls `dynamodb:CreateTable`.
    pub async fn create_table(&self) -> Result<bool> {
        let attribute = |name: &str| {
            let definition = AttributeDefinition::builder().attribute_name(name);
            let definition = definition.attribute_type(ScalarAttributeType::S).build();
            definition.expect("an attribute with its name and type is complete")
        };
        let key = |name: &str, kind: KeyType| {
            let element = KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
            element.expect("a key with its name and type is complete")
        };
        let sent = self
            .client
            .create_table()
            .table_name(&self.table)
            .attribute_definitions(attribute("pk"))
            .attribute_definitions(attribute("sk"))
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range))
            .billing_mode(BillingMode::PayPerRequest)
            .deletion_protection_enabled(true)
            .send()
            .await;
        let Err(err) = sent else { return Ok(true) };
        match err.as_service_error() {
            Some(err) if err.is_resource_in_use_exception() => Ok(false),
            _ => Err(self.error("dynamodb:CreateTable", err)),
        }
    }

    /// Looks whether the table can be used.
    ///
    /// Calls `dynamodb:DescribeTable`.
    ///
    /// # Errors
    ///
    /// A table whose keys are others: it was made for something else.
    pub async fn look_at_table(&self) -> Result<Look<()>> {
        let sent = self.client.describe_table().table_name(&self.table).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            // One that was made a moment ago is not seen everywhere at once.
            Err(err)
                if err
                    .as_service_error()
                    .is_some_and(|it| it.is_resource_not_found_exception()) =>
            {
                return Ok(Look::Waiting(format!("table {} is not there yet", self.table)));
            }
            Err(err) => return Err(self.error("dynamodb:DescribeTable", err)),
        };
        let table = answer
            .table
            .unwrap_or_else(|| aws_sdk_dynamodb::types::TableDescription::builder().build());
        let keys: Vec<&str> = table.key_schema().iter().map(|it| it.attribute_name()).collect();
        if !keys.is_empty() && keys != ["pk", "sk"] {
            let keys = keys.join(", ");
            let what = format!(
                "has the keys {keys}: it was made for something else; name another one in `[state] table`"
            );
            return Err(Error::Store { place: self.table.clone(), what, source: None });
        }
        Ok(match table.table_status() {
            Some(TableStatus::Active) => Look::Ready(()),
            status => {
                let status = status.map_or("not known", TableStatus::as_str);
                Look::Waiting(format!("table {} is `{status}`", self.table))
            }
        })
    }
}
