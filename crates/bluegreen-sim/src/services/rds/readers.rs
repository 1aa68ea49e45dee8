//! Readers, as autoscaling makes and deletes them.

use super::{changing::make_instance, deleting::begin_delete};
use crate::World;

/// The tag by which autoscaling knows the readers that it has made.
const MADE_FOR: &str = "application-autoscaling:resourceId";

/// How many readers a cluster has, and whether autoscaling may change that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::services) struct Readers {
    /// How many, those that are being made included and those that are being deleted not.
    pub(in crate::services) count: u32,
    /// Whether the cluster is `available`.
    pub(in crate::services) active: bool,
    /// Whether every reader is `available`, too.
    pub(in crate::services) settled: bool,
}

/// Counts the readers of a cluster; `None` when there is none of that name.
pub(in crate::services) fn readers(world: &World, cluster: &str) -> Option<Readers> {
    let found = world.rds.cluster(cluster)?;
    let left = world
        .rds
        .instances_of(cluster)
        .filter(|it| it.status() != "deleting" && found.writer.as_ref() != Some(&it.name));
    let (mut count, mut settled) = (0, true);
    for reader in left {
        count += 1;
        settled &= reader.status() == "available";
    }
    Some(Readers { count, active: found.status() == "available", settled })
}

/// §2: makes so many readers, named and tagged for autoscaling, like the writer.
pub(in crate::services) fn add_readers(world: &mut World, cluster: &str, count: u32) {
    let Some(found) = world.rds.cluster(cluster) else { return };
    let cluster = found.name.clone();
    let writer = found.writer().and_then(|it| world.rds.instance(it));
    let class = writer.map(|it| it.class.clone());
    for _ in 0..count {
        let name = format!("application-autoscaling-{}", world.uuid());
        make_instance(world, &name, &cluster, |it| {
            it.class = class.clone().unwrap_or_else(|| it.class.clone());
            it.tier = 15;
            it.tags.insert(MADE_FOR.to_owned(), format!("cluster:{cluster}"));
        });
    }
}

/// §2: deletes up to so many readers, the youngest first, and only those that autoscaling has made.
pub(in crate::services) fn remove_readers(world: &mut World, cluster: &str, count: u32) {
    let Some(found) = world.rds.cluster(cluster) else { return };
    let mark = format!("cluster:{}", found.name);
    let made = world.rds.instances_of(cluster).filter(|it| {
        it.status() == "available"
            && found.writer() != Some(it.name.as_str())
            && it.tags.get(MADE_FOR) == Some(&mark)
    });
    let mut made: Vec<_> = made.map(|it| it.name.clone()).collect();
    made.reverse();
    for name in made.into_iter().take(count as usize) {
        begin_delete(world, &name);
    }
}
