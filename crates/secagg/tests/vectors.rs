//! Every committed vector, positive and `bad_*`, against the crate.
//!
//! The vectors come from a second implementation (`scripts/vectors/secagg.py`), so these tests freeze the
//! protocol: tags, codes, byte order, rounding. The last test fails if a file of vectors is not read here.

use std::{collections::BTreeMap, fs, path::PathBuf};

use secagg::{
	aggregate_chunk, bound, encode, group_sum_chunk, leaves, parameters_from_f32, proof, root,
	server_update_chunk, verify_chunk, verify_leaf_list, Coordinate, Error, Hash, Header, Outer,
	Quantiser, VectorKind, CHUNK,
};

const FILES: [&str; 3] = ["aggregate.txt", "merkle.txt", "quantiser.txt"];

struct Case {
	name: String,
	fields: BTreeMap<String, String>,
}

fn folder() -> PathBuf {
	// Asked at run time, since checkouts may share a target folder.
	let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into());
	PathBuf::from(package).join("vectors")
}

fn cases(file: &str) -> Vec<Case> {
	let text = fs::read_to_string(folder().join(file)).unwrap();
	let mut cases: Vec<Case> = Vec::new();
	for line in text
		.lines()
		.filter(|line| !line.is_empty() && !line.starts_with('#'))
	{
		if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
			cases.push(Case {
				name: name.into(),
				fields: BTreeMap::new(),
			});
		} else {
			let (key, value) = line.split_once(" =").unwrap();
			let case = cases.last_mut().unwrap();
			case.fields.insert(key.into(), value.trim().into());
		}
	}
	assert!(cases.len() > 20, "{file} lost its cases");
	cases
}

fn hex(text: &str) -> Vec<u8> {
	(0..text.len())
		.step_by(2)
		.map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
		.collect()
}

impl Case {
	fn get(&self, key: &str) -> &str {
		self.fields
			.get(key)
			.unwrap_or_else(|| panic!("{}: no field {key}", self.name))
	}

	fn number<T: std::str::FromStr>(&self, key: &str) -> T {
		self.get(key)
			.parse()
			.unwrap_or_else(|_| panic!("{}: bad {key}", self.name))
	}

	fn numbers<T: std::str::FromStr>(&self, key: &str) -> Vec<T> {
		self.get(key)
			.split_whitespace()
			.map(|n| n.parse().ok().unwrap())
			.collect()
	}

	fn floats(&self, key: &str) -> Vec<f32> {
		let pattern = |n| f32::from_bits(u32::from_str_radix(n, 16).unwrap());
		self.get(key).split_whitespace().map(pattern).collect()
	}

	fn hash(&self, key: &str) -> Hash {
		hex(self.get(key)).try_into().unwrap()
	}

	fn hashes(&self, key: &str) -> Vec<Hash> {
		self.get(key)
			.split_whitespace()
			.map(|h| hex(h).try_into().unwrap())
			.collect()
	}

	fn groups(&self) -> Vec<Vec<i16>> {
		let rows = self.get("groups").split(';').filter(|row| !row.is_empty());
		rows.map(|row| row.split_whitespace().map(|n| n.parse().unwrap()).collect())
			.collect()
	}

	/// Compares with `error` if the case has one, else demands success.
	fn outcome<T>(&self, result: Result<T, Error>) -> Option<T> {
		match (result, self.fields.get("error")) {
			(Ok(value), None) => Some(value),
			(Err(error), Some(expected)) => {
				let got = format!("{error:?}");
				assert!(
					got.starts_with(expected),
					"{}: {got} is not {expected}",
					self.name
				);
				assert!(self.name.starts_with("bad_"), "{}", self.name);
				None
			}
			(Ok(_), Some(expected)) => panic!("{}: accepted instead of {expected}", self.name),
			(Err(error), None) => panic!("{}: {error}", self.name),
		}
	}
}

#[test]
fn the_quantiser_follows_its_vectors() {
	for case in cases("quantiser.txt") {
		let update = case.floats("update");
		if case.get("rule") == "parameters" {
			if let Some(values) = case.outcome(parameters_from_f32(&update)) {
				assert_eq!(values, case.numbers::<i32>("values"), "{}", case.name);
			}
			continue;
		}
		let quantiser = Quantiser::new(case.number("bits"), case.number("exponent"));
		if case.get("rule") == "stochastic" {
			let result = quantiser.and_then(|q| {
				q.stochastic_chunk(&update, &case.hash("seed"), case.number("index"))
			});
			if let Some(values) = case.outcome(result) {
				assert_eq!(values, case.numbers::<i16>("values"), "{}", case.name);
			}
			continue;
		}
		let carried = case.fields.get("carried").map(|_| case.floats("carried"));
		let result = quantiser.and_then(|q| q.nearest(&update, carried.as_deref()));
		if let Some(rounded) = case.outcome(result) {
			assert_eq!(
				rounded.values,
				case.numbers::<i16>("values"),
				"{}",
				case.name
			);
			let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
			let expected = case.floats("residual");
			assert_eq!(bits(&rounded.residual), bits(&expected), "{}", case.name);
		}
	}
}

#[test]
fn the_aggregate_and_the_server_follow_their_vectors() {
	for case in cases("aggregate.txt") {
		match case.get("rule") {
			"ring" => {
				let result = bound(case.number("bits"), case.number("weight_sum"));
				if let Some(bound) = case.outcome(result) {
					assert_eq!(bound, case.number::<i16>("values"), "{}", case.name);
				}
			}
			"group_sum" => {
				let groups = case.groups();
				let members: Vec<&[i16]> = groups.iter().map(Vec::as_slice).collect();
				let result = group_sum_chunk(&members, case.number("bound"));
				if let Some(values) = case.outcome(result) {
					assert_eq!(values, case.numbers::<i16>("values"), "{}", case.name);
				}
			}
			"aggregate" => {
				let groups = case.groups();
				let sums: Vec<&[i16]> = groups.iter().map(Vec::as_slice).collect();
				let result =
					aggregate_chunk(&sums, case.number("weight_sum"), case.number("exponent"));
				if let Some(values) = case.outcome(result) {
					assert_eq!(values, case.numbers::<i32>("values"), "{}", case.name);
				}
			}
			"server" => {
				let mut parameters = case.numbers::<i32>("parameters");
				let mut momentum = case.numbers::<i32>("momentum");
				let gradient = case.numbers::<i32>("gradient");
				let result = Outer::new(case.number("mu"), case.number("eta")).and_then(|outer| {
					server_update_chunk(&outer, &gradient, &mut parameters, &mut momentum)
				});
				if case.outcome(result).is_some() {
					assert_eq!(parameters, case.numbers("new_parameters"), "{}", case.name);
					assert_eq!(momentum, case.numbers("new_momentum"), "{}", case.name);
				}
			}
			rule => panic!("{}: unknown rule {rule}", case.name),
		}
	}
}

/// Coordinates as the generating script makes them: i * 40503 + start, wrapped.
fn pattern(case: &Case) -> impl Iterator<Item = i64> {
	let start: i64 = case.number("start");
	let len: i64 = case.number("len");
	(0..len).map(move |i| i * 40503 + start)
}

/// Leaves and chunk bytes of a case's vector, with coordinates of `T`.
fn tree<T: Coordinate>(header: &Header, values: Vec<T>, index: usize) -> (Vec<Hash>, Vec<u8>) {
	let chunk = values
		.chunks(CHUNK)
		.nth(index)
		.map(encode)
		.unwrap_or_default();
	(leaves(header, &values).unwrap(), chunk)
}

#[test]
fn the_trees_follow_their_vectors() {
	for case in cases("merkle.txt") {
		let header = VectorKind::from_code(case.number("kind"))
			.and_then(|kind| Header::new(kind, case.number("len"), case.hash("owner")));
		let header = match header {
			Ok(header) => header,
			Err(error) => {
				case.outcome::<()>(Err(error));
				continue;
			}
		};
		let index = case
			.fields
			.get("index")
			.map_or(0, |_| case.number::<u32>("index"));
		let (made, chunk) = if header.kind().width() == 2 {
			tree(
				&header,
				pattern(&case).map(|v| v as i16).collect(),
				index as usize,
			)
		} else {
			tree(
				&header,
				pattern(&case).map(|v| v as i32).collect(),
				index as usize,
			)
		};
		let claimed = case.hash("root");
		if case.get("rule") == "tree" {
			let list = case.hashes("leaves");
			if case
				.outcome(verify_leaf_list(&claimed, &header, &list))
				.is_some()
			{
				assert_eq!(made, list, "{}", case.name);
				assert_eq!(root(&header, &made), Ok(claimed), "{}", case.name);
			}
		} else {
			let siblings = case.hashes("proof");
			if case
				.outcome(verify_chunk(&claimed, &header, index, &chunk, &siblings))
				.is_some()
			{
				assert_eq!(proof(&made, index), Ok(siblings), "{}", case.name);
			}
		}
	}
}

#[test]
fn no_file_of_vectors_is_skipped() {
	let mut found: Vec<String> = fs::read_dir(folder())
		.unwrap()
		.map(|entry| entry.unwrap().file_name().into_string().unwrap())
		.collect();
	found.sort();
	assert_eq!(found, FILES);
}
