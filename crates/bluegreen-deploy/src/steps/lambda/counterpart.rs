//! [`Exchange`], which finds the name that something of one stack has on the other.

use bluegreen_core::Arn;

/// Exchanges the name of one stack's function for its partner's, in the names of what belongs to them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    /// The name of the function on the stack that a name belongs to.
    pub(super) ours: &'a str,
    /// The name of the function on the stack that it is looked for.
    pub(super) theirs: &'a str,
}

impl Exchange<'_> {
    /// Returns the names that the counterpart of `name` may have, likeliest first: with every part in
    /// which the two functions differ exchanged (for `ingest-a` and `ingest-b` every `a` between
    /// punctuation becomes `b`), with the function's name exchanged where it occurs, and the same name.
    pub(super) fn candidates(self, name: &str) -> [String; 3] {
        [self.by_parts(name), name.replace(self.ours, self.theirs), name.to_owned()]
    }

    fn by_parts(self, name: &str) -> String {
        let (ours, theirs) = (parts(self.ours), parts(self.theirs));
        if ours.len() != theirs.len() {
            return name.to_owned();
        }
        name.split_inclusive(is_punctuation)
            .map(|piece| {
                let part = piece.trim_end_matches(is_punctuation);
                let exchanged = ours
                    .iter()
                    .zip(&theirs)
                    .find(|(ours, theirs)| ours != theirs && **ours == part);
                let part = exchanged.map_or(part, |(_, theirs)| theirs);
                let punctuation = piece.trim_start_matches(|it| !is_punctuation(it));
                format!("{part}{punctuation}")
            })
            .collect()
    }
}

/// Returns by what an event source is known on both stacks: its ARN without what AWS adds when the
/// source is made, the time of a stream consumer or of a table's stream.
pub(super) fn source_of(arn: &str) -> String {
    let parsed = arn.parse::<Arn>().ok();
    let cut = match parsed.as_ref().map(|it| (it.service.as_str(), it.resource.as_str())) {
        Some(("kinesis", resource)) if resource.contains("/consumer/") => arn.rfind(':'),
        Some(("dynamodb", _)) => arn.find("/stream/"),
        _ => None,
    };
    arn[..cut.unwrap_or(arn.len())].to_owned()
}

fn parts(name: &str) -> Vec<&str> {
    name.split(is_punctuation).collect()
}

fn is_punctuation(character: char) -> bool {
    !character.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(ours: &str, theirs: &str, name: &str) -> String {
        let [by_parts, by_name, same] = Exchange { ours, theirs }.candidates(name);
        if by_parts == same { by_name } else { by_parts }
    }

    #[test]
    fn the_part_in_which_the_functions_differ_is_exchanged_wherever_it_stands_alone() {
        assert_eq!(first("ingest-a", "ingest-b", "shop-a-nightly-a"), "shop-b-nightly-b");
        assert_eq!(first("ingest-a", "ingest-b", "data-a.fifo"), "data-b.fifo");
        assert_eq!(first("blue_ingest", "green_ingest", "blue-nightly"), "green-nightly");
    }

    #[test]
    fn a_functions_name_is_exchanged_where_parts_do_not_correspond() {
        assert_eq!(first("ingest", "ingest-green", "nightly-ingest"), "nightly-ingest-green");
        assert_eq!(first("ingestA", "ingestB", "nightly_for_ingestA"), "nightly_for_ingestB");
    }

    #[test]
    fn a_name_without_anything_of_the_stack_stays() {
        let exchange = Exchange { ours: "ingest-a", theirs: "ingest-b" };

        assert_eq!(exchange.candidates("nightly"), ["nightly", "nightly", "nightly"]);
    }

    #[test]
    fn every_partition_region_and_account_survives_the_exchange() {
        let queue = "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:ingest-a";

        let exchanged = first("ingest-a", "ingest-b", queue);

        assert_eq!(exchanged, "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:ingest-b");
    }

    #[test]
    fn what_aws_adds_to_an_arn_does_not_tell_sources_apart() {
        let consumer = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks/consumer/clicks-a";
        let table = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders-a";
        let queue = "arn:aws:sqs:eu-west-1:123456789012:ingest-a";

        assert_eq!(source_of(&format!("{consumer}:1700000000")), consumer);
        assert_eq!(source_of(&format!("{table}/stream/2026-11-22T10:00:00.000")), table);
        assert_eq!(source_of(queue), queue);
        assert_eq!(source_of("odd"), "odd");
    }
}
