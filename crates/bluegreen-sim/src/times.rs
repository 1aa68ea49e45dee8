//! [`Times`], how long everything takes in the account.

use std::time::Duration;

/// A duration between a least and a greatest, in which the account draws lots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub least: Duration,
    /// The greatest.
    pub most: Duration,
}

impl Range {
    /// Makes a range of milliseconds.
    pub const fn milliseconds(least: u64, most: u64) -> Self {
        Self { least: Duration::from_millis(least), most: Duration::from_millis(most) }
    }

    /// Makes a range of seconds.
    pub const fn seconds(least: u64, most: u64) -> Self {
        Self { least: Duration::from_secs(least), most: Duration::from_secs(most) }
    }

    /// Makes a range in which every duration is `time`.
    pub const fn exactly(time: Duration) -> Self {
        Self { least: time, most: time }
    }

    pub(crate) fn draw(self, random: &mut fastrand::Rng) -> Duration {
        let (least, most) = (self.least.as_millis() as u64, self.most.as_millis() as u64);
        Duration::from_millis(random.u64(least..=most.max(least)))
    }
}

/// How long everything takes. The defaults are what AWS documents or what people report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// From a request to its answer.
    pub call: Range,
    /// How long a read may show what was there before a change.
    pub stale: Range,
    /// How long the counts of a queue may show what was there before a change.
    pub counts: Range,
    /// How long a cluster is `starting`.
    pub cluster_start: Range,
    /// How long a cluster is `stopping`.
    pub cluster_stop: Range,
    /// How long a cluster is `deleting`.
    pub cluster_delete: Range,
    /// How long an instance needs longer than its cluster to be `available`.
    pub instance_lag: Range,
    /// How long an instance is `creating`.
    pub instance_create: Range,
    /// How long an instance is `deleting`.
    pub instance_delete: Range,
    /// How long an instance or a cluster is `modifying`.
    pub modify: Range,
    /// How soon autoscaling acts on a capacity outside its limits.
    pub scaling: Range,
    /// How long a mapping is `Creating`, `Enabling`, `Disabling`, `Updating` or `Deleting`.
    pub mapping: Range,
    /// How often a mapping polls its source.
    pub poll: Range,
    /// How long a function works on a batch.
    pub invocation: Range,
    /// After how long an asynchronous invocation that has failed is tried again; the second time after twice that.
    pub invocation_retry: Range,
    /// How long a deployment needs for what its platform does besides tasks and traffic: CodeDeploy's `AllowTestTraffic`.
    pub deployment_step: Range,
    /// How long a filter policy takes to work.
    pub filter: Range,
    /// How long a purge goes on eating messages.
    pub purge: Range,
    /// How long after a change of a rule another is refused: the greatest, and 100 ms at most. Rules do not fire,
    /// so that nothing else takes this time.
    pub rule: Range,
    /// How long a task needs from pending to running.
    pub task_start: Range,
    /// How long a task needs to stop.
    pub task_stop: Range,
    /// How long a stream consumer is `CREATING` or `DELETING`.
    pub consumer: Range,
    /// How long a table is `DELETING`, `CREATING` or `UPDATING`.
    pub table: Range,
    /// How long a read of an item that is not consistent may show what was there before a write.
    pub replica: Range,
    /// How long after the beginning of a minute its value of a metric can be read, of those that the account keeps.
    pub metric: Range,
    /// How long traffic needs to move from one stack to the other.
    pub traffic: Range,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            call: Range::milliseconds(20, 80),
            stale: Range::seconds(0, 3),
            // §4: they settle after about a minute.
            counts: Range::seconds(0, 60),
            cluster_start: Range::seconds(300, 900),
            cluster_stop: Range::seconds(180, 600),
            cluster_delete: Range::seconds(120, 480),
            instance_lag: Range::seconds(20, 180),
            instance_create: Range::seconds(300, 900),
            instance_delete: Range::seconds(120, 360),
            modify: Range::seconds(10, 60),
            scaling: Range::seconds(30, 120),
            mapping: Range::seconds(5, 90),
            poll: Range::seconds(1, 10),
            invocation: Range::milliseconds(200, 5_000),
            // §6.3.
            invocation_retry: Range::seconds(60, 60),
            deployment_step: Range::seconds(5, 20),
            filter: Range::seconds(5, 900),
            purge: Range::seconds(1, 60),
            rule: Range::seconds(1, 10),
            task_start: Range::seconds(10, 60),
            task_stop: Range::seconds(5, 60),
            consumer: Range::seconds(10, 240),
            table: Range::seconds(20, 240),
            replica: Range::milliseconds(0, 1_000),
            metric: Range::seconds(60, 180),
            traffic: Range::seconds(5, 120),
        }
    }
}

impl Times {
    /// Everything happens at once: for tests that are not about waiting, and for `serve`.
    pub fn instant() -> Self {
        let none = Range::exactly(Duration::ZERO);
        Self {
            call: none,
            stale: none,
            counts: none,
            cluster_start: none,
            cluster_stop: none,
            cluster_delete: none,
            instance_lag: none,
            instance_create: none,
            instance_delete: none,
            modify: none,
            scaling: none,
            mapping: none,
            poll: Range::seconds(1, 1),
            invocation: none,
            invocation_retry: Range::seconds(1, 1),
            deployment_step: none,
            filter: none,
            purge: none,
            rule: none,
            task_start: none,
            task_stop: none,
            consumer: none,
            table: none,
            replica: none,
            metric: none,
            traffic: none,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_lies_between_the_least_and_the_greatest() {
        let mut random = fastrand::Rng::with_seed(7);
        let range = Range::seconds(3, 5);

        let drawn: Vec<_> = (0..200).map(|_| range.draw(&mut random)).collect();

        assert!(drawn.iter().all(|it| (range.least..=range.most).contains(it)));
        assert!(drawn.iter().any(|it| *it != drawn[0]));
    }
}
