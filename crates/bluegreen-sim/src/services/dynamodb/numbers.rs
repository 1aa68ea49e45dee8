//! [`Number`], the decimal numbers of DynamoDB, which are exact.

use std::{cmp::Ordering, fmt};

use super::invalid;
use crate::Refusal;

/// How many digits that count a number has at most.
const MOST_DIGITS: usize = 38;

/// The exponents between which the first digit of a number lies.
const EXPONENTS: std::ops::RangeInclusive<i32> = -130..=125;

/// A decimal number: its digits, times ten to the power of its exponent. The last digit is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    digits: i128,
    exponent: i32,
}

impl Number {
    /// Reads `-12.50` and `1.5e3`.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let not_one =
            || invalid(format!("The parameter cannot be converted to a numeric value: {text}"));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().map_err(|_| not_one())?;
        let negative = mantissa.starts_with('-');
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
            return Err(not_one());
        }
        let counting = digits.trim_start_matches('0').trim_end_matches('0');
        if counting.len() > MOST_DIGITS {
            return Err(invalid("Attempting to store more than 38 significant digits in a Number"));
        }
        if counting.is_empty() {
            return Ok(Self { digits: 0, exponent: 0 });
        }
        let zeros = digits.len() - digits.trim_end_matches('0').len();
        let places = |count: usize| i32::try_from(count).map_err(|_| not_one());
        let exponent = exponent.saturating_sub(places(fraction.len())?);
        let exponent = exponent.saturating_add(places(zeros)?);
        let digits: i128 = counting.parse().map_err(|_| not_one())?;
        Self { digits: if negative { -digits } else { digits }, exponent }.in_range()
    }

    fn in_range(self) -> Result<Self, Refusal> {
        match EXPONENTS.contains(&self.first()) {
            true => Ok(self),
            false => Err(invalid(
                "Number overflow. Attempting to store a number with magnitude larger than supported range",
            )),
        }
    }

    /// Returns the exponent of its first digit.
    fn first(self) -> i32 {
        let later = self.digits.unsigned_abs().checked_ilog10().unwrap_or_default();
        self.exponent.saturating_add(later.cast_signed())
    }

    /// Returns the sum with another, or the difference.
    pub(super) fn plus(self, other: Self, minus: bool) -> Result<Self, Refusal> {
        let exponent = self.exponent.min(other.exponent);
        let sum = self.at(exponent).zip(other.at(exponent)).and_then(|(one, other)| {
            if minus { one.checked_sub(other) } else { one.checked_add(other) }
        });
        // AWS rounds to 38 digits.
        let sum = sum.ok_or_else(|| {
            invalid("the simulated account does not know sums of more than 38 digits")
        })?;
        Self::parse(&format!("{sum}e{exponent}"))
    }

    /// Returns its digits for a smaller exponent.
    fn at(self, exponent: i32) -> Option<i128> {
        let more = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        if self.digits == 0 { Some(0) } else { self.digits.checked_mul(10_i128.checked_pow(more)?) }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.digits.signum().cmp(&other.digits.signum());
        if signs != Ordering::Equal || self.digits == 0 {
            return signs;
        }
        // Of numbers that are as long, both have room for the digits of the longer one.
        let exponent = self.exponent.min(other.exponent);
        let sizes = self.first().cmp(&other.first()).then_with(|| {
            let [one, other] = [self, other].map(|it| it.at(exponent).map(i128::unsigned_abs));
            one.cmp(&other)
        });
        if self.digits < 0 { sizes.reverse() } else { sizes }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits.unsigned_abs().to_string();
        if self.digits < 0 {
            f.write_str("-")?;
        }
        let places = self.exponent.unsigned_abs() as usize;
        if self.exponent >= 0 {
            return write!(f, "{digits}{}", "0".repeat(places));
        }
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        write!(f, "{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn a_number_is_written_in_one_way_only() {
        for (text, written) in [
            ("1.50", "1.5"),
            ("-0012.0", "-12"),
            ("1.5e3", "1500"),
            ("0.00", "0"),
            ("25E-4", "0.0025"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(number(text).to_string(), written, "{text}");
        }
    }

    #[test]
    fn numbers_are_ordered_and_added_exactly() {
        let mut ordered =
            ["1e100", "-3", "0", "0.10", "-1e100", "0.1000001", "2", "10"].map(number);
        ordered.sort();

        let sum = number("0.1").plus(number("0.2"), false).unwrap();
        let difference = number("1").plus(number("10"), true).unwrap();

        let ordered = ordered[1..7].iter().map(Number::to_string).collect::<Vec<_>>();
        assert_eq!(ordered, ["-3", "0", "0.1", "0.1000001", "2", "10"]);
        assert_eq!((sum.to_string(), difference.to_string()), ("0.3".into(), "-9".into()));
    }

    #[test]
    fn what_is_no_number_or_too_long_or_too_great_is_refused() {
        let digits = "1".repeat(39);
        for text in ["", "-", "1,5", "one", "1e", "0x10", "1e126", "1e-131", &digits] {
            assert_eq!(Number::parse(text).unwrap_err().code, "ValidationException", "{text}");
        }
        assert!(number("1e30").plus(number("1e-30"), false).is_err());
    }
}
