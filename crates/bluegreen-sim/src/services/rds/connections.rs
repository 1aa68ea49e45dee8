//! The connections that clients hold to clusters.

use std::time::Duration;

use super::{Rds, key};
use crate::{World, history::History};

impl Rds {
    /// Returns how many connections a cluster had at a time, if it served then.
    pub(in crate::services) fn connections_at(&self, cluster: &str, at: Duration) -> Option<u32> {
        let cluster = self.cluster(cluster).filter(|it| it.served_at(at))?;
        Some(self.connections.get(&cluster.name).map_or(0, |it| *it.at(at)))
    }
}

impl World {
    /// Says how many connections clients hold to a cluster from now on while it serves; none otherwise.
    pub fn set_connections(&mut self, cluster: &str, count: u32) {
        let now = self.now();
        let connections = self.rds.connections.entry(key(cluster));
        connections.or_insert_with(|| History::new(0)).note(now, count);
    }
}
