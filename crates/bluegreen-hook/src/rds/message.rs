//! [`started_cluster`], which reads from a message of RDS that a cluster was started.
//!
//! What RDS says of instances is read by the toolkit.

use bluegreen_core::Arn;
use serde::Deserialize;

use super::Started;

/// The event that says that a cluster is up, whoever has started it.
const UP: &str = "RDS-EVENT-0151";

/// The event that says that AWS starts a cluster by itself.
const BY_AWS: &str = "RDS-EVENT-0153";

/// What RDS writes into the message; old messages lack some of it.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "Event Source")]
    source: Option<String>,
    #[serde(rename = "Source ID")]
    source_id: Option<String>,
    #[serde(rename = "Source ARN")]
    source_arn: Option<String>,
    #[serde(rename = "Event ID")]
    event_id: Option<String>,
    #[serde(rename = "Event Message")]
    text: Option<String>,
}

/// Returns the name of the cluster that an event says to be started, or to be starting by itself; `None` for
/// everything else that a message may be.
///
/// The identifier of the event decides, and its text where there is none.
pub(super) fn started_cluster(message: &str) -> Option<(String, Started)> {
    let message: Message = serde_json::from_str(message).ok()?;
    if given(message.source).is_some_and(|it| it != "db-cluster") {
        return None;
    }
    // It is a link, to one host or another, to the place in the guide that tells of the event.
    let id = given(message.event_id).and_then(|it| given(it.rsplit('#').next().map(str::to_owned)));
    let text = given(message.text).unwrap_or_default();
    let started = match id.as_deref() {
        Some(UP) => Started::Up,
        Some(BY_AWS) => Started::ByAws,
        None if text.trim_end_matches('.').eq_ignore_ascii_case("db cluster started") => {
            Started::Up
        }
        _ => return None,
    };
    let cluster = given(message.source_id).or_else(|| {
        let arn: Arn = given(message.source_arn)?.parse().ok()?;
        Some(arn.name().to_owned())
    })?;
    Some((cluster, started))
}

/// Returns the text without blanks around it, if anything is left.
fn given(text: Option<String>) -> Option<String> {
    text.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LINK: &str =
        "http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#";

    fn event(id: &str) -> Value {
        json!({
            "Event Source": "db-cluster",
            "Source ID": "orders-a",
            "Event ID": format!("{LINK}{id}"),
            "Event Message": "DB cluster started",
        })
    }

    fn read(message: &Value) -> Option<String> {
        started_cluster(&message.to_string()).map(|(cluster, _)| cluster)
    }

    #[test]
    fn the_identifier_after_the_hash_says_that_a_cluster_is_started() {
        for id in ["RDS-EVENT-0151", " RDS-EVENT-0153 \n"] {
            assert_eq!(read(&event(id)).as_deref(), Some("orders-a"), "{id}");
        }
        for id in ["RDS-EVENT-0150", "RDS-EVENT-0152", "RDS-EVENT-0088"] {
            assert_eq!(read(&event(id)), None, "{id}");
        }
    }

    #[test]
    fn fields_that_are_missing_are_made_good_by_others() {
        let text = json!({ "Source ID": "orders-a", "Event Message": "DB cluster started." });
        let named_by_arn = json!({
            "Event ID": format!("{LINK}RDS-EVENT-0151"),
            "Source ARN": "arn:aws:rds:eu-west-1:123456789012:cluster:orders-a",
        });

        assert_eq!(read(&text).as_deref(), Some("orders-a"));
        assert_eq!(read(&named_by_arn).as_deref(), Some("orders-a"));
    }

    #[test]
    fn a_start_by_aws_itself_is_told_apart_from_a_cluster_that_is_up() {
        let how = |id: &str| started_cluster(&event(id).to_string()).map(|(_, how)| how);

        assert_eq!(how("RDS-EVENT-0151"), Some(Started::Up));
        assert_eq!(how("RDS-EVENT-0153"), Some(Started::ByAws));
    }

    #[test]
    fn what_is_no_event_of_a_started_cluster_is_passed_over() {
        let mut instance = event("RDS-EVENT-0151");
        instance["Event Source"] = "db-instance".into();
        let mut nameless = event("RDS-EVENT-0151");
        nameless["Source ID"] = " ".into();

        for message in [instance, nameless, json!({}), json!([]), json!({ "Source ID": 7 })] {
            assert_eq!(read(&message), None, "{message}");
        }
        let plain = "This is a message to notify that RDS will attempt to send you events";
        assert_eq!(started_cluster(plain), None);
    }
}
