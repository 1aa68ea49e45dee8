//! [`Arn`], the full name of an AWS resource, taken apart.

use std::{fmt, str::FromStr};

/// The parts of an Amazon Resource Name: `arn:partition:service:region:account:resource`.
///
/// Names are only ever read, never built: they come from AWS's answers or from the user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov`, ..
    pub partition: String,
    /// The service's own word for itself, such as `sqs`.
    pub service: String,
    /// The Region; empty for global resources.
    pub region: String,
    /// The 12-digit account; empty where the service has none in its names.
    pub account: String,
    /// What comes behind the account, colons included.
    pub resource: String,
}

impl Arn {
    /// Returns the last part of the resource: the name of a queue, of a function without its
    /// qualifier's colon, of a consumer.
    pub fn name(&self) -> &str {
        self.resource.rsplit(['/', ':']).next().unwrap_or_default()
    }
}

impl FromStr for Arn {
    type Err = String;

    /// Takes `text` apart.
    ///
    /// # Errors
    ///
    /// A sentence fragment that says what an ARN looks like.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", partition, service, region, account, resource]
                if partition.starts_with("aws") && !service.is_empty() && !resource.is_empty() =>
            {
                Ok(Self {
                    partition: (*partition).to_owned(),
                    service: (*service).to_owned(),
                    region: (*region).to_owned(),
                    account: (*account).to_owned(),
                    resource: (*resource).to_owned(),
                })
            }
            _ => Err(format!(
                "`{text}` is not an ARN: expected `arn:partition:service:region:account:resource`"
            )),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_of_any_partition_is_taken_apart() {
        let text = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:ingest-a:live";

        let arn: Arn = text.parse().unwrap();

        assert_eq!((arn.partition.as_str(), arn.service.as_str()), ("aws-us-gov", "lambda"));
        assert_eq!(arn.resource, "function:ingest-a:live");
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn the_name_is_the_last_part() {
        let name = |text: &str| text.parse::<Arn>().unwrap().name().to_owned();

        assert_eq!(name("arn:aws:sqs:eu-west-1:123456789012:orders-a"), "orders-a");
        assert_eq!(name("arn:aws:ecs:eu-west-1:123456789012:service/shop/web"), "web");
    }

    #[test]
    fn what_is_no_arn_is_refused_and_quoted() {
        for text in ["", "orders-a", "arn:aws:sqs", "arn:azure:sqs:r:a:x", "arn:aws::r:a:x"] {
            let err = text.parse::<Arn>().unwrap_err();
            assert!(err.contains(&format!("`{text}`")), "{err}");
        }
    }
}
