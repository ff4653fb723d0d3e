//! ISCC text code (ISO 24138:2024, Content-Code Text, version 0): 64 to 256 bits that other registries compare by.
//!
//! Knows nothing of our own fingerprint: shingles of 13 letters, so it is of use from some hundred letters on and says nothing
//! about a quatrain. Source: ISO 24138; docs/protocol/fingerprint.md; vectors from `iscc-core` 1.5.0.
//! Invariants: parsing is strict (one string for one code); a shorter code is the beginning of a longer one.

use alloc::{string::String, vec::Vec};
use core::fmt;

use twox_hash::XxHash32;

use crate::{error::Error, fold::Collapsed};

/// Characters of a shingle.
const WIDTH: usize = 13;
/// 2^61 - 1.
const PRIME: u64 = (1 << 61) - 1;
/// Main type Content and subtype Text; the low nibble of the second byte is bits / 32 - 1, its high one the version 0.
const TYPE: u8 = 0x20;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SCHEME: &str = "ISCC:";

#[rustfmt::skip]
const MULTIPLIERS: [u64; 64] = [
	853146490016488653, 1849332765672628665, 1131688930666554379, 1936485333668353377,
	890837126813020267, 1988249303247129861, 1408894512544874755, 2140251716176616185,
	1755124413189049421, 1355916793659431597, 546586563822844083, 497603761441203021,
	2000709902557454173, 1057597903350092207, 1576204252850880253, 2078784234495706739,
	1022616668454863635, 2150082342606334489, 712341150087765807, 1511757510246096559,
	1525853819909660573, 1263771796138990131, 1215963627200985263, 590069150281426443,
	130824646248385081, 962725325544728503, 1702561325943522847, 296074222435072629,
	490211158716051523, 1255327197241792767, 699458998727907367, 32930168991409845,
	1985097843455124585, 362027841570125531, 1903252144040897835, 900391845076405289,
	547470123601853551, 1689373724032359119, 845594231933442371, 400331968021206285,
	174967108345233429, 876513700861085019, 505848386844809885, 1920468508342256199,
	1292611725303815789, 963317239501343903, 1730880032297268007, 284614929850059717,
	1185026248283273081, 2167288823816985197, 1214905315086686483, 1555253098157439857,
	1048013650291539723, 1238618594841147605, 1213502582686547311, 286300733803129311,
	1250358511639043529, 407534797452854371, 960869149538623787, 1722699901467253087,
	1325704236119824319, 196979859428570839, 1669408735473259699, 781336617016068757,
];

#[rustfmt::skip]
const ADDENDS: [u64; 64] = [
	1089606993368836715, 726972438868274737, 66204585613901025, 1078410179646709132,
	1343470117098523467, 698653121981343911, 1248486536592473639, 1447963007834012793,
	1034598851883537815, 1474008409379745934, 793773480906057541, 980501101461882479,
	963941556313537655, 233651787311327325, 243905121737149907, 570269452476776142,
	297633284648631084, 1516796967247398557, 1494795672066692649, 1728741177365151059,
	1029197538967983408, 1660732464170610344, 1399769594446678069, 506465470557005705,
	1279720146829545181, 860096419955634036, 411519685280832908, 69539191273403207,
	1960489729088056217, 605092075716397684, 1017496016211653149, 1304834535101321372,
	949013511180032347, 1142776242221098779, 576980004709031232, 1071272177143100544,
	1494527341093835499, 1073290814142727850, 1285904200674942617, 1277176606329477335,
	343788427301735585, 2100915269685487331, 1227711252031557450, 18593166391963377,
	2101884148332688233, 191808277534686888, 2170124912729392024, 918430470748151293,
	1831024560113812361, 1951365515851067694, 744352348473654499, 1921518311887826722,
	2020165648600700886, 1764930142256726985, 1903893374912839788, 1449378957774802122,
	1435825328374066345, 833197549717762813, 2238991044337210799, 748955638857938366,
	1834583747494146901, 222012292803592982, 901238460725547841, 1501611130776083278,
];

/// A text code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextCode {
	/// 8, 12, .. 32.
	bytes: u8,
	/// What is beyond `bytes` is zero.
	body: [u8; 32],
}

impl TextCode {
	/// The code of a text with 256 bits. 64 multiplications and remainders for each letter.
	pub fn of(collapsed: &Collapsed) -> Self {
		let text = collapsed.as_str();
		let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
		let count = starts.len().saturating_sub(WIDTH).saturating_add(1);
		let mut least = [u64::MAX; 64];
		for shingle in 0..count {
			let from = starts.get(shingle).copied().unwrap_or(0);
			let to = starts.get(shingle.saturating_add(WIDTH)).copied();
			let bytes = text.get(from..to.unwrap_or(text.len())).unwrap_or_default();
			let feature = u64::from(XxHash32::oneshot(0, bytes.as_bytes()));
			let functions = MULTIPLIERS.iter().zip(&ADDENDS);
			for (value, (multiplier, addend)) in least.iter_mut().zip(functions) {
				let hash = multiplier.wrapping_mul(feature).wrapping_add(*addend);
				*value = (*value).min(remainder(hash) & 0xffff_ffff);
			}
		}
		// Bit 0 of all 64 values, then bit 1, 2, 3: the first value is the highest bit.
		let mut body = [0; 32];
		for (at, byte) in body.iter_mut().enumerate() {
			let (bit, group) = (at >> 3, at & 7);
			let values = least.iter().skip(group << 3).take(8);
			*byte = values.fold(0, |byte, value| (byte << 1) | ((value >> bit) & 1) as u8);
		}
		Self { bytes: 32, body }
	}

	/// The code with fewer bits.
	///
	/// # Errors
	/// - [`Error::CodeBits`]: not 64, 96, .. 256, or more than this one has.
	pub fn with_bits(&self, bits: u32) -> Result<Self, Error> {
		let wrong = Error::CodeBits { bits };
		if !(64..=self.bits()).contains(&bits) || bits & 31 != 0 {
			return Err(wrong);
		}
		let bytes = u8::try_from(bits >> 3).map_err(|_| wrong)?;
		let mut body = [0; 32];
		for (to, from) in body.iter_mut().zip(self.body()) {
			*to = *from;
		}
		for beyond in body.iter_mut().skip(usize::from(bytes)) {
			*beyond = 0;
		}
		Ok(Self { bytes, body })
	}

	/// Bits of the code.
	pub fn bits(&self) -> u32 {
		u32::from(self.bytes) << 3
	}

	/// The bytes after the header.
	pub fn body(&self) -> &[u8] {
		self.body.get(..usize::from(self.bytes)).unwrap_or_default()
	}

	/// How many bits differ, and of how many that both have.
	pub fn differing(&self, other: &Self) -> (u32, u32) {
		let pairs = self.body().iter().zip(other.body());
		let differ = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
		(differ, self.bits().min(other.bits()))
	}

	/// Reads `ISCC:` and upper-case base32 without padding.
	///
	/// # Errors
	/// - [`Error::CodeScheme`], [`Error::CodeCharacter`], [`Error::CodeHeader`], [`Error::CodeLength`].
	pub fn parse(text: &str) -> Result<Self, Error> {
		let code = text.strip_prefix(SCHEME).ok_or(Error::CodeScheme)?;
		let got = Error::CodeLength {
			got: text.len() as u64,
		};
		if code.len() > 55 {
			return Err(got);
		}
		let (mut buffer, mut bits) = (0u32, 0u32);
		let mut bytes = Vec::new();
		for (at, character) in code.bytes().enumerate() {
			let value = ALPHABET
				.iter()
				.position(|letter| *letter == character)
				.ok_or(Error::CodeCharacter {
					at: at.saturating_add(SCHEME.len()) as u64,
				})?;
			buffer = ((buffer << 5) | value as u32) & 0xfff;
			bits = bits.saturating_add(5);
			if bits >= 8 {
				bits = bits.saturating_sub(8);
				bytes.push((buffer >> bits) as u8);
				buffer &= (1u32 << bits).saturating_sub(1);
			}
		}
		let [kind, length, rest @ ..] = bytes.as_slice() else {
			return Err(got);
		};
		if *kind != TYPE || !(1..=7).contains(length) {
			return Err(Error::CodeHeader {
				header: [*kind, *length],
			});
		}
		let size = length.saturating_add(1).saturating_mul(4);
		if rest.len() != usize::from(size) || buffer != 0 || bits >= 5 {
			return Err(got);
		}
		let mut body = [0; 32];
		for (to, from) in body.iter_mut().zip(rest) {
			*to = *from;
		}
		Ok(Self { bytes: size, body })
	}
}

impl fmt::Display for TextCode {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		let header = [TYPE, (self.bytes >> 2).saturating_sub(1)];
		let mut text = String::from(SCHEME);
		let (mut buffer, mut bits) = (0u32, 0u32);
		for byte in header.iter().chain(self.body()) {
			buffer = ((buffer << 8) | u32::from(*byte)) & 0xffff;
			bits = bits.saturating_add(8);
			while bits >= 5 {
				bits = bits.saturating_sub(5);
				text.push(letter(buffer >> bits));
			}
		}
		if bits > 0 {
			text.push(letter(buffer << 5u32.saturating_sub(bits)));
		}
		f.write_str(&text)
	}
}

fn letter(value: u32) -> char {
	let letter = ALPHABET.get((value & 31) as usize).copied();
	char::from(letter.unwrap_or(b'A'))
}

/// Remainder by 2^61 - 1.
fn remainder(value: u64) -> u64 {
	let folded = (value & PRIME).wrapping_add(value >> 61);
	if folded >= PRIME {
		folded.wrapping_sub(PRIME)
	} else {
		folded
	}
}
