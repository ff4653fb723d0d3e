//! Decimal numbers that people type, read exactly: money, probabilities, losses, percentages.
//!
//! Must not know: what a number is for. Invariant: no float on the way; a number with more places than its unit has is refused,
//! never rounded.

use serde::{Serialize, Serializer};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// Places of an LLM behind the point.
pub const DECIMALS: u32 = 12;
/// Units of one LLM.
pub const UNIT: u128 = 1_000_000_000_000;

/// A text is not the decimal number that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecimalError {
	/// Anything but digits and one point.
	#[error("`{text}` is not a decimal number; write it like 12.5")]
	NotDecimal {
		/// What was typed.
		text: String,
	},
	/// More places than the unit has.
	#[error("`{text}` has more than {places} places behind the point")]
	TooPrecise {
		/// What was typed.
		text: String,
		/// Places that the unit has.
		places: u32,
	},
	/// Too large for its type.
	#[error("`{text}` is too large")]
	TooLarge {
		/// What was typed.
		text: String,
	},
}

/// Reads a decimal number as a multiple of 10^-`places`.
///
/// # Errors
/// - any [`DecimalError`].
pub fn parse_decimal(text: &str, places: u32) -> Result<u128, DecimalError> {
	let owned = || text.to_owned();
	let too_large = || DecimalError::TooLarge { text: owned() };
	let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
	let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
	if !is_digits(whole) || !is_digits(fraction) {
		return Err(DecimalError::NotDecimal { text: owned() });
	}
	let fraction = fraction.trim_end_matches('0');
	let missing = u32::try_from(fraction.len())
		.ok()
		.and_then(|length| places.checked_sub(length))
		.ok_or_else(|| DecimalError::TooPrecise {
			text: owned(),
			places,
		})?;
	format!("{whole}{fraction}")
		.parse::<u128>()
		.ok()
		.zip(10u128.checked_pow(missing))
		.and_then(|(digits, scale)| digits.checked_mul(scale))
		.ok_or_else(too_large)
}

/// Writes a multiple of 10^-`places` as a decimal number without trailing zeros.
pub fn format_decimal(value: u128, places: u32) -> String {
	let digits = format!("{value:0width$}", width = places as usize + 1);
	let (whole, fraction) = digits.split_at(digits.len() - places as usize);
	match fraction.trim_end_matches('0') {
		"" => whole.to_owned(),
		fraction => format!("{whole}.{fraction}"),
	}
}

/// Money in its smallest unit; shown and read in LLM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub u128);

impl FromStr for Amount {
	type Err = DecimalError;

	fn from_str(text: &str) -> Result<Self, DecimalError> {
		parse_decimal(text, DECIMALS).map(Self)
	}
}

impl fmt::Display for Amount {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(&format_decimal(self.0, DECIMALS))
	}
}

impl Serialize for Amount {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.collect_str(self)
	}
}

/// A number in thousandths: a temperature, a probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milli(pub u32);

impl FromStr for Milli {
	type Err = DecimalError;

	fn from_str(text: &str) -> Result<Self, DecimalError> {
		narrow(text, 3).map(Self)
	}
}

/// A loss in micro-nats per token; read in nats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nats(pub u64);

impl FromStr for Nats {
	type Err = DecimalError;

	fn from_str(text: &str) -> Result<Self, DecimalError> {
		narrow(text, 6).map(Self)
	}
}

/// A share in parts per billion; read and shown in per cent, at most 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u32);

impl FromStr for Percent {
	type Err = DecimalError;

	fn from_str(text: &str) -> Result<Self, DecimalError> {
		let parts: u32 = narrow(text, 7)?;
		if parts > 1_000_000_000 {
			return Err(DecimalError::TooLarge { text: text.into() });
		}
		Ok(Self(parts))
	}
}

impl fmt::Display for Percent {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(&format_decimal(self.0.into(), 7))
	}
}

/// A constant of the server update in units of 2^-16: the nearest one to the decimal number typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Q16(pub u32);

impl FromStr for Q16 {
	type Err = DecimalError;

	fn from_str(text: &str) -> Result<Self, DecimalError> {
		const SCALE: u128 = 1_000_000_000;
		let too_large = || DecimalError::TooLarge { text: text.into() };
		let scaled = parse_decimal(text, 9)?
			.checked_mul(1 << 16)
			.and_then(|product| product.checked_add(SCALE / 2))
			.ok_or_else(too_large)?;
		u32::try_from(scaled / SCALE)
			.map(Self)
			.map_err(|_| too_large())
	}
}

fn narrow<T: TryFrom<u128>>(text: &str, places: u32) -> Result<T, DecimalError> {
	T::try_from(parse_decimal(text, places)?)
		.map_err(|_| DecimalError::TooLarge { text: text.into() })
}

#[cfg(test)]
mod tests {
	use super::*;

	fn money(text: &str) -> Result<u128, DecimalError> {
		text.parse::<Amount>().map(|amount| amount.0)
	}

	#[test]
	fn money_is_read_to_the_last_unit() {
		assert_eq!(money("1"), Ok(UNIT));
		assert_eq!(money("0.000000000001"), Ok(1));
		assert_eq!(money("12.50"), Ok(12_500_000_000_000));
		assert_eq!(money("1.0000000000000000"), Ok(UNIT));
		assert_eq!(
			money("9007199254740993.000000000001").map(|m| m % 10),
			Ok(1)
		);
	}

	#[test]
	fn what_is_no_money_is_refused_by_name() {
		for text in [
			"", ".", "1.", ".5", "-1", "+1", "1e3", "1 000", "1,5", "1.2.3", "LLM", "٣",
		] {
			assert!(
				matches!(money(text), Err(DecimalError::NotDecimal { .. })),
				"{text}"
			);
		}
		assert_eq!(
			money("0.0000000000001"),
			Err(DecimalError::TooPrecise {
				text: "0.0000000000001".into(),
				places: 12
			})
		);
		let text = "340282366920938463463374608";
		assert_eq!(
			money(text),
			Err(DecimalError::TooLarge { text: text.into() })
		);
	}

	#[test]
	fn money_survives_writing() {
		for units in [0, 1, 10, UNIT, UNIT + 1, 12_500_000_000_000, u128::MAX] {
			assert_eq!(money(&Amount(units).to_string()), Ok(units));
		}
		assert_eq!(Amount(UNIT / 10).to_string(), "0.1");
		assert_eq!(Amount(100 * UNIT).to_string(), "100");
	}

	#[test]
	fn other_units_have_their_own_places() {
		assert_eq!("0.8".parse(), Ok(Milli(800)));
		assert!("0.8001".parse::<Milli>().is_err());
		assert_eq!("5.123456".parse(), Ok(Nats(5_123_456)));
		assert_eq!("5".parse(), Ok(Percent(50_000_000)));
		assert!("100.1".parse::<Percent>().is_err());
		assert_eq!("0.7".parse(), Ok(Q16(45_875)));
		assert_eq!("1".parse(), Ok(Q16(65_536)));
		assert!("99999".parse::<Q16>().is_err());
	}
}
