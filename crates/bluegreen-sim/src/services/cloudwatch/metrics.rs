//! Metrics: what somebody puts, what the account publishes, and how it is summed up.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::{DateTime, date_time::Format};
use serde_json::{Value, json};

use super::{Metric, invalid, published, required};
use crate::{
    Call, Refusal, World,
    call::{Answer, time},
};

/// §8: how many queries a call may have.
const MOST_QUERIES: usize = 500;

/// A minute, in seconds: what the times of a call are rounded down to.
const MINUTE: f64 = 60.0;

/// The periods that are no whole minutes, in seconds.
const SHORT_PERIODS: [f64; 5] = [1.0, 5.0, 10.0, 20.0, 30.0];

/// A query of one metric.
#[derive(Debug)]
struct Query {
    id: String,
    label: String,
    metric: Metric,
    /// What one value amounts to, in seconds.
    period: f64,
    statistic: Statistic,
}

/// How the values of a period are summed up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    SampleCount,
    Sum,
    Average,
    Minimum,
    Maximum,
    /// The value that this share of the values, in percent, does not exceed. AWS interpolates.
    Percentile(f64),
}

impl Statistic {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "SampleCount" => Self::SampleCount,
            "Sum" => Self::Sum,
            "Average" => Self::Average,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => {
                let percent = name.strip_prefix('p')?.parse().ok()?;
                Self::Percentile(Some(percent).filter(|it| (0.0..=100.0).contains(it))?)
            }
        })
    }

    /// Sums up values, of which there is one at least.
    fn sum_up(self, values: &mut [f64]) -> f64 {
        values.sort_by(f64::total_cmp);
        let (count, sum) = (values.len() as f64, values.iter().sum::<f64>());
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        match self {
            Self::SampleCount => count,
            Self::Sum => sum,
            Self::Average => sum / count,
            Self::Minimum => at(0),
            Self::Maximum => at(values.len().saturating_sub(1)),
            Self::Percentile(percent) => {
                at(((percent / 100.0 * count).ceil() as usize).saturating_sub(1))
            }
        }
    }
}

impl Query {
    fn read(query: &Value) -> Result<Self, Refusal> {
        let text = |it: Option<&Value>, name: &str| {
            it.and_then(|it| it.get(name)).and_then(Value::as_str).map(str::to_owned)
        };
        let id = text(Some(query), "Id").unwrap_or_default();
        if !id.starts_with(|it: char| it.is_ascii_lowercase())
            || !id.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
        {
            return Err(invalid(format!(
                "The value {id} for parameter Id does not match the required pattern"
            )));
        }
        let stat = query.get("MetricStat").ok_or_else(|| {
            invalid(format!("the simulated account does not know expressions, as in query {id}"))
        })?;
        let metric = stat.get("Metric");
        let named = text(metric, "Namespace").zip(text(metric, "MetricName"));
        let (namespace, name) = named.ok_or_else(|| {
            invalid(format!("Namespace and MetricName are required in query {id}"))
        })?;
        let period = stat
            .get("Period")
            .and_then(number)
            .filter(|it| *it > 0.0 && (it % MINUTE == 0.0 || SHORT_PERIODS.contains(it)));
        let statistic = text(Some(stat), "Stat").unwrap_or_default();
        Ok(Self {
            label: text(Some(query), "Label").unwrap_or_else(|| name.clone()),
            metric: (namespace, name, metric.map(dimensions).unwrap_or_default()),
            period: period.ok_or_else(|| {
                invalid(format!(
                    "Period must be 1, 5, 10, 20, 30 or a multiple of 60 in query {id}"
                ))
            })?,
            statistic: Statistic::of(&statistic).ok_or_else(|| {
                invalid(format!("{statistic} is no statistic of the simulated account"))
            })?,
            id,
        })
    }

    /// Returns when each period begins that lies between two times, and its value; one without data is left out.
    fn points(&self, world: &World, from: f64, to: f64) -> Vec<(f64, f64)> {
        let start = |at: f64| (at / self.period).floor() * self.period;
        let end = start(to) + self.period;
        let put = world.cloudwatch.metrics.get(&self.metric).into_iter().flatten().copied();
        let own = published::points(world, &self.metric, from, end);
        let mut periods: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for (at, value) in put.chain(own) {
            // The start is within, the end is not (§8).
            if (from..to).contains(&start(at)) {
                periods.entry(start(at) as i64).or_default().push(value);
            }
        }
        let periods = periods.iter_mut();
        periods.map(|(at, values)| (*at as f64, self.statistic.sum_up(values))).collect()
    }
}

/// Returns a number; the query protocol sends it as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// Returns a point in time, in seconds since 1970; the query protocol sends it as text.
fn moment(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| {
        let text = DateTime::from_str(value.as_str()?, Format::DateTimeWithOffset);
        text.ok().map(|it| it.as_secs_f64())
    })
}

fn dimensions(of: &Value) -> BTreeMap<String, String> {
    let list = of.get("Dimensions").and_then(Value::as_array);
    let text = |it: &Value, name: &str| it.get(name)?.as_str().map(str::to_owned);
    let list = list.into_iter().flatten();
    list.filter_map(|it| Some((text(it, "Name")?, text(it, "Value")?))).collect()
}

/// Keeps values that somebody puts; they can be read at once.
pub(super) fn put(world: &mut World, call: &Call) -> Answer {
    let namespace = required(call, "Namespace")?.to_owned();
    let data = call.parameters.get("MetricData").and_then(Value::as_array).cloned();
    let now = world.seconds();
    for datum in data.unwrap_or_default() {
        let name = datum.get("MetricName").and_then(Value::as_str).unwrap_or_default().to_owned();
        let value = datum.get("Value").and_then(number);
        let value = value.ok_or_else(|| {
            invalid(format!(
                "the simulated account knows a single Value only, which {name} has not"
            ))
        })?;
        let at = datum.get("Timestamp").and_then(moment).unwrap_or(now);
        let series = (namespace.clone(), name, dimensions(&datum));
        world.cloudwatch.metrics.entry(series).or_default().push((at, value));
    }
    Ok(json!({}))
}

/// Answers queries, all on one page. Periods begin at multiples of their length since 1970.
pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let queries = call.parameters.get("MetricDataQueries").and_then(Value::as_array);
    let queries = queries.map(Vec::as_slice).unwrap_or_default();
    if queries.is_empty() || queries.len() > MOST_QUERIES {
        return Err(invalid("MetricDataQueries must have between 1 and 500 queries"));
    }
    let time_of = |name: &str| {
        let given = call.parameters.get(name).and_then(moment);
        given.ok_or_else(|| invalid(format!("{name} is required")))
    };
    let (from, to) = (time_of("StartTime")?, time_of("EndTime")?);
    if from >= to {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime"));
    }
    let ascending = match call.text("ScanBy") {
        None | Some("TimestampDescending") => false,
        Some("TimestampAscending") => true,
        Some(other) => return Err(invalid(format!("{other} is no ScanBy"))),
    };
    let queries = queries.iter().map(Query::read).collect::<Result<Vec<_>, _>>()?;
    let mut ids = BTreeSet::new();
    if let Some(twice) = queries.iter().find(|it| !ids.insert(&it.id)) {
        return Err(invalid(format!(
            "The values for parameter id in MetricDataQueries are not unique: {}",
            twice.id
        )));
    }
    let from = (from / MINUTE).floor() * MINUTE;
    let results = queries.iter().map(|query| {
        let mut points = query.points(world, from, to);
        if !ascending {
            points.reverse();
        }
        json!({
            "Id": query.id,
            "Label": query.label,
            "StatusCode": "Complete",
            "Timestamps": points.iter().map(|(at, _)| time(*at)).collect::<Vec<_>>(),
            "Values": points.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
        })
    });
    Ok(json!({ "MetricDataResults": results.collect::<Vec<_>>() }))
}
