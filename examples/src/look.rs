//! Looks at both stacks, one row for each thing worth comparing.

mod compute;
mod data;
mod messages;
mod watch;

use anyhow::Result;
use futures::try_join;

use crate::clients::Clients;

/// One thing, as it is on both stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The table of the stack file that it belongs to, and what of it.
    pub(crate) what: String,
    /// How it is on stack a.
    pub(crate) a: String,
    /// How it is on stack b.
    pub(crate) b: String,
}

impl Row {
    /// Makes a row from what there is on both stacks, a first.
    pub(crate) fn new(what: impl Into<String>, [a, b]: [String; 2]) -> Self {
        Self { what: what.into(), a, b }
    }
}

/// Looks at everything, in the order of the stack file.
pub(crate) async fn rows(clients: &Clients) -> Result<Vec<Row>> {
    let (databases, consumers, messages, functions, services, tables, alarms) = try_join!(
        data::clusters(clients),
        data::consumers(clients),
        messages::all(clients),
        compute::functions(clients),
        compute::services(clients),
        data::tables(clients),
        watch::alarms(clients),
    )?;
    let parts = [databases, consumers, messages, functions, services, tables, alarms];
    Ok(parts.into_iter().flatten().collect())
}

/// Writes `rows` as a table with a line for each.
pub(crate) fn table(rows: &[Row]) -> String {
    let heading = Row::new("", ["stack a".to_owned(), "stack b".to_owned()]);
    let lines: Vec<_> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: fn(&Row) -> &str| {
        lines.iter().map(|it| column(it).chars().count()).max().unwrap_or_default()
    };
    let (what, a) = (width(|it| &it.what), width(|it| &it.a));
    let lines = lines.iter().map(|it| format!("{:what$}  {:a$}  {}\n", it.what, it.a, it.b));
    lines.collect()
}

/// Says how many of `switches` are on and off, and names the exceptions when most are alike.
pub(crate) fn summary(switches: impl IntoIterator<Item = (String, bool)>) -> String {
    let (on, off): (Vec<_>, Vec<_>) = switches.into_iter().partition(|it| it.1);
    let names = |of: Vec<(String, bool)>| {
        let mut names: Vec<_> = of.into_iter().map(|it| it.0).collect();
        names.sort();
        names.join(", ")
    };
    match (on.len(), off.len()) {
        (0, 0) => "none".to_owned(),
        (all, 0) => format!("{all} on"),
        (0, all) => format!("{all} off"),
        (most, few) if most >= few => format!("{most} on, off: {}", names(off)),
        (_, most) => format!("{most} off, on: {}", names(on)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switches(on: &[&str], off: &[&str]) -> Vec<(String, bool)> {
        let switch = |state| move |it: &&str| ((*it).to_owned(), state);
        on.iter().map(switch(true)).chain(off.iter().map(switch(false))).collect()
    }

    #[test]
    fn a_summary_counts_and_names_the_exceptions() {
        let mixed = summary(switches(&["c", "a", "d"], &["e", "b"]));
        let mostly_off = summary(switches(&["a"], &["b", "c"]));

        assert_eq!(mixed, "3 on, off: b, e");
        assert_eq!(mostly_off, "2 off, on: a");
    }

    #[test]
    fn a_summary_of_what_is_all_alike_is_a_count() {
        assert_eq!(summary(switches(&["a", "b"], &[])), "2 on");
        assert_eq!(summary(switches(&[], &["a"])), "1 off");
        assert_eq!(summary(switches(&[], &[])), "none");
    }

    #[test]
    fn the_columns_of_a_table_are_as_wide_as_their_widest_cell() {
        let row = |what, a: &str| Row::new(what, [a.to_owned(), "1".to_owned()]);

        let table = table(&[row("tasks", "4"), row("x", "available")]);

        assert_eq!(table, "       stack a    stack b\ntasks  4          1\nx      available  1\n");
    }
}
