//! What a function is and what gives it work, by which a plan tells whether somebody has changed that.

use bluegreen_core::StackReference;

use super::Lambda;
use crate::{Context, Result, steps::drain::whole_seconds};

impl Lambda {
    /// Returns what runs on `stack`, and its mappings and rules, on or off.
    pub(super) async fn set_up(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<String> {
        let function = self.looked(context, stack).await?;
        let mut parts = vec![format!("{} version {}", function.arn, function.version)];
        match &self.config.alias {
            Some(alias) => parts.push(format!("by alias {alias}")),
            // A version never changes, but `$LATEST` does.
            None => {
                parts.extend(function.code_sha256.map(|it| format!("code {it}")));
                parts.push(format!("timeout {}", whole_seconds(function.timeout)));
            }
        }
        for mapping in self.mappings(context, stack).await?.iter() {
            let source = mapping.event_source_arn.as_deref().unwrap_or("a source without ARN");
            let batch = mapping.batch_size.map(|it| format!(" in batches of {it}"));
            let batch = batch.unwrap_or_default();
            parts.push(format!("mapping {} on {source}{batch}", mapping.uuid));
        }
        for rule in self.rules(context, stack).await?.iter() {
            parts.push(format!("rule {}", rule.label()));
        }
        Ok(parts.join(", "))
    }
}
