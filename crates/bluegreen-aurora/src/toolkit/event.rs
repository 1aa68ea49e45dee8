//! RDS events as they come through SNS, and what was done about one.

use bluegreen_core::Arn;
use serde::Deserialize;

/// One record of the event that SNS sends to a Lambda function: `{"Sns": {"Message": "..."}}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SnsRecord {
    /// The notification.
    #[serde(rename = "Sns")]
    pub sns: SnsNotification,
}

/// The part of an SNS notification that matters here; others are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SnsNotification {
    /// The text of the message. RDS sends JSON, but for the first message of a subscription, which is
    /// plain text.
    #[serde(rename = "Message")]
    pub message: String,
}

/// What came of an event about tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tagging {
    /// The instance was given these tags, key and value.
    Tagged {
        /// The instance.
        instance: String,
        /// Its new tags.
        tags: Vec<(String, String)>,
    },
    /// There was nothing to do: why, as a fragment.
    NotOurs(String),
}

/// What came of an event about Performance Insights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PerformanceInsights {
    /// They were switched on for this instance.
    Enabled(String),
    /// They were on already for this instance.
    AlreadyOn(String),
    /// The instance cannot be changed now: repeat later.
    Busy {
        /// The instance.
        instance: String,
        /// Its status when it was looked at, in AWS's word: `available` when AWS refused the change all
        /// the same.
        status: String,
    },
    /// There was nothing to do: why, as a fragment.
    NotOurs(String),
}

/// An RDS event about an instance.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InstanceEvent {
    /// The instance.
    pub(crate) instance: String,
    /// What happened to it.
    pub(crate) kind: EventKind,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// It was made.
    Created,
    /// Its Performance Insights were switched off.
    InsightsDisabled,
    /// Something else, in AWS's words.
    Other(String),
}

impl InstanceEvent {
    /// Reads the RDS event in an SNS record.
    ///
    /// What is no event of an instance is an error that says why, as a fragment. The identifier of the
    /// event decides what happened. Where there is none, and for Performance Insights, which AWS
    /// announces without, its text does.
    pub(crate) fn read(record: &SnsRecord) -> Result<Self, String> {
        let event = Event::read(record).ok_or("the message is not an RDS event")?;
        if let Some(source) = event.source.filter(|it| it != "db-instance") {
            return Err(format!("the event is about a `{source}`, not an instance"));
        }
        let instance = event.name.ok_or("the event names no instance")?;
        let kind = match (event.id.as_deref(), folded(&event.text).as_str()) {
            (Some("RDS-EVENT-0005"), _) | (None, "db instance created") => EventKind::Created,
            (_, "performance insights has been disabled") => EventKind::InsightsDisabled,
            _ if event.text.is_empty() => EventKind::Other(event.id.unwrap_or_default()),
            _ => EventKind::Other(event.text),
        };
        Ok(Self { instance, kind })
    }
}

impl SnsRecord {
    /// Returns the name of the cluster that an RDS event says to be started, or to be starting by itself; `None` for
    /// everything else that a message may be.
    ///
    /// The identifier of the event decides, and its text where there is none.
    pub fn started_cluster(&self) -> Option<(String, ClusterStart)> {
        let event = Event::read(self)?;
        if event.source.is_some_and(|it| it != "db-cluster") {
            return None;
        }
        let start = match (event.id.as_deref(), folded(&event.text).as_str()) {
            (Some("RDS-EVENT-0151"), _) | (None, "db cluster started") => ClusterStart::Up,
            (Some("RDS-EVENT-0153"), _) => ClusterStart::ByAws,
            _ => return None,
        };
        Some((event.name?, start))
    }
}

/// What RDS says of a cluster that is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterStart {
    /// It is up, whoever has started it (RDS-EVENT-0151).
    Up,
    /// AWS is starting it by itself, seven days after it was stopped (RDS-EVENT-0153).
    ByAws,
}

/// An RDS event, as far as its message tells.
struct Event {
    /// The kind of resource that it is about.
    source: Option<String>,
    /// That resource, by its own name or that in its ARN.
    name: Option<String>,
    /// Its identifier, such as `RDS-EVENT-0005`.
    id: Option<String>,
    text: String,
}

impl Event {
    fn read(record: &SnsRecord) -> Option<Self> {
        let message: Message = serde_json::from_str(&record.sns.message).ok()?;
        let named_by_arn =
            || given(message.source_arn)?.parse().ok().map(|it: Arn| it.name().to_owned());
        Some(Self {
            source: given(message.source),
            name: given(message.source_id).or_else(named_by_arn),
            // It is a link, to one host or another, to the place in the guide that tells of the event.
            id: given(message.event_id)
                .and_then(|it| given(it.rsplit('#').next().map(str::to_owned))),
            text: given(message.text).unwrap_or_default(),
        })
    }
}

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

/// Returns the text without blanks around it, if anything is left.
fn given(text: Option<String>) -> Option<String> {
    text.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

/// Returns a text so that its case and its full stop do not matter.
fn folded(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.html#";

    fn record(message: &str) -> SnsRecord {
        SnsRecord { sns: SnsNotification { message: message.to_owned() } }
    }

    #[track_caller]
    fn kind(message: &Value) -> EventKind {
        InstanceEvent::read(&record(&message.to_string())).unwrap().kind
    }

    #[test]
    fn a_record_of_a_lambda_event_is_read() {
        let record: SnsRecord = serde_json::from_value(json!({
            "EventSource": "aws:sns",
            "Sns": {
                "Type": "Notification",
                "Subject": "RDS Notification Message",
                "Message": json!({
                    "Event Source": "db-instance",
                    "Event Time": "2026-08-26 13:29:19.857",
                    "Identifier Link": "https://console.aws.amazon.com/rds/home#dbinstance:id=r-1",
                    "Source ID": "r-1",
                    "Source ARN": "arn:aws:rds:us-east-1:123456789012:db:r-1",
                    "Event ID": format!("{ID}RDS-EVENT-0005"),
                    "Event Message": "DB instance created",
                    "Tags": {"team": "shop"},
                }).to_string(),
            },
        }))
        .unwrap();

        let event = InstanceEvent::read(&record).unwrap();

        assert_eq!(event, InstanceEvent { instance: "r-1".to_owned(), kind: EventKind::Created });
    }

    #[test]
    fn the_identifier_after_the_hash_decides_and_blanks_around_it_do_not_matter() {
        let created = json!({"Source ID": "r-1", "Event ID": format!("{ID} RDS-EVENT-0005 \n")});
        let deleted = json!({
            "Source ID": "r-1",
            "Event ID": format!("{ID}RDS-EVENT-0003"),
            "Event Message": "DB instance created",
        });

        assert_eq!(kind(&created), EventKind::Created);
        assert_eq!(kind(&deleted), EventKind::Other("DB instance created".to_owned()));
    }

    #[test]
    fn without_an_identifier_the_text_decides_whatever_its_case_and_full_stop() {
        for text in ["DB instance created", "DB instance created.", "db Instance Created"] {
            assert_eq!(
                kind(&json!({"Source ID": "r-1", "Event Message": text})),
                EventKind::Created
            );
        }
        let other =
            json!({"Source ID": "r-1", "Event ID": "", "Event Message": "DB instance deleted"});
        assert_eq!(kind(&other), EventKind::Other("DB instance deleted".to_owned()));
    }

    #[test]
    fn switched_off_insights_are_known_by_their_text() {
        let event = json!({
            "Source ID": "r-1",
            "Event ID": ID,
            "Event Message": "Performance Insights has been disabled",
        });

        assert_eq!(kind(&event), EventKind::InsightsDisabled);
    }

    #[test]
    fn the_arn_stands_in_for_a_missing_name() {
        let event = json!({
            "Source ARN": "arn:aws-cn:rds:cn-north-1:123456789012:db:r-1",
            "Event Message": "DB instance created",
        });

        let event = InstanceEvent::read(&record(&event.to_string())).unwrap();

        assert_eq!(event.instance, "r-1");
    }

    #[test]
    fn what_is_no_event_of_an_instance_is_told_apart_and_never_panics() {
        let cluster = json!({"Event Source": "db-cluster", "Source ID": "orders-a"}).to_string();
        for (message, why) in [
            ("This is a message to notify that RDS will attempt to send you", "not an RDS event"),
            ("", "not an RDS event"),
            ("[]", "not an RDS event"),
            (r#"{"Source ID": 7}"#, "not an RDS event"),
            ("{}", "names no instance"),
            (r#"{"Source ID": " ", "Source ARN": "orders"}"#, "names no instance"),
            (cluster.as_str(), "about a `db-cluster`"),
        ] {
            let err = InstanceEvent::read(&record(message)).unwrap_err();
            assert!(err.contains(why), "{message}: {err}");
        }
    }

    fn cluster_event(id: &str) -> Value {
        json!({
            "Event Source": "db-cluster",
            "Source ID": "orders-a",
            "Event ID": format!("{ID}{id}"),
            "Event Message": "DB cluster started",
        })
    }

    fn started(message: &Value) -> Option<(String, ClusterStart)> {
        record(&message.to_string()).started_cluster()
    }

    #[test]
    fn a_start_by_aws_itself_is_told_apart_from_a_cluster_that_is_up() {
        let named = |start| Some(("orders-a".to_owned(), start));

        assert_eq!(started(&cluster_event("RDS-EVENT-0151")), named(ClusterStart::Up));
        assert_eq!(started(&cluster_event(" RDS-EVENT-0153 \n")), named(ClusterStart::ByAws));
        for id in ["RDS-EVENT-0150", "RDS-EVENT-0152", "RDS-EVENT-0088"] {
            assert_eq!(started(&cluster_event(id)), None, "{id}");
        }
    }

    #[test]
    fn fields_of_a_clusters_event_that_are_missing_are_made_good_by_others() {
        let text = json!({ "Source ID": "orders-a", "Event Message": "DB cluster started." });
        let named_by_arn = json!({
            "Event ID": format!("{ID}RDS-EVENT-0151"),
            "Source ARN": "arn:aws:rds:eu-west-1:123456789012:cluster:orders-a",
        });

        for event in [text, named_by_arn] {
            assert_eq!(started(&event), Some(("orders-a".to_owned(), ClusterStart::Up)), "{event}");
        }
    }

    #[test]
    fn what_is_no_event_of_a_started_cluster_is_passed_over() {
        let mut instance = cluster_event("RDS-EVENT-0151");
        instance["Event Source"] = "db-instance".into();
        let mut nameless = cluster_event("RDS-EVENT-0151");
        nameless["Source ID"] = " ".into();

        for message in [instance, nameless, json!({}), json!([]), json!({ "Source ID": 7 })] {
            assert_eq!(started(&message), None, "{message}");
        }
        let plain = "This is a message to notify that RDS will attempt to send you events";
        assert_eq!(record(plain).started_cluster(), None);
    }
}
