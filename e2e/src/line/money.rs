//! Amounts as the command line prints them, in whole units of the token, exactly.
//!
//! Must not know: who pays whom.

use anyhow::{ensure, Context, Result};

/// Decimal places of the token.
const DECIMALS: usize = 12;

/// The smallest units in an amount such as `12.5`.
///
/// # Errors
///
/// It is no such text.
pub fn units(text: &str) -> Result<u128> {
	let (whole, part) = text.split_once('.').unwrap_or((text, ""));
	let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
	ensure!(
		!whole.is_empty() && is_number(whole) && is_number(part) && part.len() <= DECIMALS,
		"{text:?} is no amount"
	);
	format!("{whole}{part:0<DECIMALS$}")
		.parse()
		.with_context(|| format!("{text:?} is too much"))
}

/// The text of an amount, without needless zeros.
pub fn amount(units: u128) -> String {
	let scale = 10u128.pow(DECIMALS as u32);
	let part = format!("{:0DECIMALS$}", units % scale);
	let text = format!("{}.{part}", units / scale);
	text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn amounts_go_there_and_back() {
		for (text, number) in [
			("0", 0),
			("12.5", 12_500_000_000_000),
			("0.000000000001", 1),
			("9999999.999999999999", 9_999_999_999_999_999_999),
		] {
			assert_eq!(units(text).unwrap(), number);
			assert_eq!(amount(number), text);
		}
	}

	#[test]
	fn other_texts_are_refused() {
		for text in ["", ".5", "-1", "1e3", "1.0000000000001", "1.2.3", "x"] {
			assert!(units(text).is_err(), "{text}");
		}
	}
}
