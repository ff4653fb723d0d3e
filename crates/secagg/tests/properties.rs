//! Properties that hold for every input: order, chunks, proofs, error bounds, and no panic on any bytes.

use proptest::{collection::vec, prelude::*, sample::Index};
use secagg::{
	aggregate_chunk, bound, decode_chunk, decode_vector, encode, group_sum_chunk, leaves, proof,
	root, server_update_chunk, verify_chunk, verify_leaf_list, weigh, Header, Outer, Quantiser,
	VectorKind, CHUNK,
};

fn slices(members: &[Vec<i16>]) -> Vec<&[i16]> {
	members.iter().map(Vec::as_slice).collect()
}

/// A vector of updates with 1 to 3 chunks, and its header.
fn update() -> impl Strategy<Value = (Header, Vec<i16>)> {
	(vec(any::<i16>(), 1..3 * CHUNK), any::<[u8; 32]>()).prop_map(|(values, owner)| {
		(
			Header::new(VectorKind::Update, values.len() as u64, owner).unwrap(),
			values,
		)
	})
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

	#[test]
	fn the_aggregate_does_not_depend_on_the_order_of_members(
		members in (1usize..6, 1usize..40).prop_flat_map(|(n, len)| {
			vec((vec(-127i16..=127, len), 1u8..=16), n)
		}),
		seed in any::<u64>(),
		exponent in 0u8..=24,
	) {
		let weight_sum = members.iter().map(|(_, w)| u32::from(*w)).sum();
		let mut weighted: Vec<_> = members.iter().map(|(q, w)| weigh(q, *w).unwrap()).collect();
		let limit = bound(8, weight_sum).unwrap();
		let sum = group_sum_chunk(&slices(&weighted), limit).unwrap();
		let g = aggregate_chunk(&slices(&weighted), weight_sum, exponent).unwrap();
		// In one group or in groups of one: the same exact sum.
		prop_assert_eq!(&aggregate_chunk(&[&sum], weight_sum, exponent).unwrap(), &g);
		let n = weighted.len();
		weighted.rotate_left(seed as usize % n);
		weighted.swap(0, (seed >> 32) as usize % n);
		prop_assert_eq!(aggregate_chunk(&slices(&weighted), weight_sum, exponent).unwrap(), g);
		prop_assert_eq!(group_sum_chunk(&slices(&weighted), limit).unwrap(), sum);
	}

	#[test]
	fn chunk_by_chunk_is_the_same_as_the_whole(
		rows in vec((any::<i16>(), any::<i16>(), any::<i32>(), any::<i32>()), 1..300),
		size in 1usize..50,
		mu in 0u32..65536,
		eta in 1u32..=1 << 20,
		exponent in 0u8..=24,
	) {
		let outer = Outer::new(mu, eta).unwrap();
		let a: Vec<i16> = rows.iter().map(|r| r.0).collect();
		let b: Vec<i16> = rows.iter().map(|r| r.1).collect();
		let old_p: Vec<i32> = rows.iter().map(|r| r.2).collect();
		let old_m: Vec<i32> = rows.iter().map(|r| r.3).collect();
		let (mut p, mut m) = (old_p.clone(), old_m.clone());
		let g = aggregate_chunk(&[&a, &b], 3, exponent).unwrap();
		server_update_chunk(&outer, &g, &mut p, &mut m).unwrap();
		for start in (0..rows.len()).step_by(size) {
			let part = start..rows.len().min(start + size);
			let sums = [&a[part.clone()], &b[part.clone()]];
			let g = aggregate_chunk(&sums, 3, exponent).unwrap();
			let (mut cp, mut cm) = (old_p[part.clone()].to_vec(), old_m[part.clone()].to_vec());
			server_update_chunk(&outer, &g, &mut cp, &mut cm).unwrap();
			prop_assert_eq!(&cp[..], &p[part.clone()]);
			prop_assert_eq!(&cm[..], &m[part]);
		}
	}

	#[test]
	fn rounding_is_within_half_a_step_and_loses_nothing(
		update in vec(-0.4f32..0.4, 1..200),
		exponent in 0u8..=8,
	) {
		let quantiser = Quantiser::new(8, exponent).unwrap();
		let rounded = quantiser.nearest(&update, None).unwrap();
		let step = f64::from(exponent).exp2().recip();
		for ((x, q), r) in update.iter().zip(&rounded.values).zip(&rounded.residual) {
			let image = f64::from(*q) * step;
			if q.abs() < quantiser.limit() {
				prop_assert!((f64::from(*x) - image).abs() <= step / 2.0);
				prop_assert_eq!(f64::from(*x) - image, f64::from(*r));
			}
			prop_assert!(f64::from(r.abs()) <= step / 2.0);
		}
	}

	#[test]
	fn stochastic_rounding_is_one_of_the_two_neighbours(
		update in vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 1..200),
		seed in any::<[u8; 32]>(),
		exponent in 0u8..=24,
		bits in 2u8..=16,
	) {
		let quantiser = Quantiser::new(bits, exponent).unwrap();
		let limit = f64::from(quantiser.limit());
		let values = quantiser.stochastic(&update, &seed).unwrap();
		for (x, q) in update.iter().zip(values) {
			let v = f64::from(*x) * f64::from(exponent).exp2();
			let (low, high) = (v.floor().clamp(-limit, limit), v.ceil().clamp(-limit, limit));
			prop_assert!(f64::from(q) == low || f64::from(q) == high, "{} for {}", q, v);
		}
	}

	#[test]
	fn every_chunk_is_proven_and_any_flipped_byte_is_not(
		(header, values) in update(),
		place in any::<Index>(),
		bit in 0u8..8,
	) {
		let hashes = leaves(&header, &values).unwrap();
		let root = root(&header, &hashes).unwrap();
		for (chunk, index) in values.chunks(CHUNK).zip(0u32..) {
			let siblings = proof(&hashes, index).unwrap();
			let mut bytes = encode(chunk);
			prop_assert_eq!(verify_chunk(&root, &header, index, &bytes, &siblings), Ok(()));
			prop_assert_eq!(decode_chunk::<i16>(&header, index, &bytes).unwrap(), chunk);
			let flipped = place.index(bytes.len());
			bytes[flipped] ^= 1 << bit;
			prop_assert!(verify_chunk(&root, &header, index, &bytes, &siblings).is_err());
		}
		let mut wrong = hashes.clone();
		let leaf = place.index(wrong.len());
		wrong[leaf][place.index(32)] ^= 1 << bit;
		prop_assert!(verify_leaf_list(&root, &header, &wrong).is_err());
	}

	#[test]
	fn a_flipped_byte_of_a_proof_a_root_or_a_header_is_found(
		(header, values) in update(),
		place in any::<Index>(),
		bit in 0u8..8,
	) {
		let hashes = leaves(&header, &values).unwrap();
		let root = root(&header, &hashes).unwrap();
		let chunk = encode(&values[..CHUNK.min(values.len())]);
		let mut siblings = proof(&hashes, 0).unwrap();
		let mut bad_root = root;
		bad_root[place.index(32)] ^= 1 << bit;
		prop_assert!(verify_chunk(&bad_root, &header, 0, &chunk, &siblings).is_err());
		let mut bytes = header.encode();
		bytes[place.index(41)] ^= 1 << bit;
		if let Ok(other) = Header::decode(&bytes) {
			prop_assert!(verify_chunk(&root, &other, 0, &chunk, &siblings).is_err());
		}
		if !siblings.is_empty() {
			let sibling = place.index(siblings.len());
			siblings[sibling][place.index(32)] ^= 1 << bit;
			prop_assert!(verify_chunk(&root, &header, 0, &chunk, &siblings).is_err());
		}
	}

	#[test]
	fn decoders_take_any_bytes_without_panic(
		header in vec(any::<u8>(), 0..60),
		bytes in vec(any::<u8>(), 0..300),
		index in any::<u32>(),
		siblings in vec(any::<[u8; 32]>(), 0..25),
	) {
		let decoded = Header::decode(&header);
		let small = Header::new(VectorKind::Parameters, 1 + bytes.len() as u64 / 4, [0; 32]);
		for header in [decoded, small].into_iter().flatten() {
			let _ = decode_chunk::<i32>(&header, index, &bytes);
			let _ = decode_vector::<i16>(&header, &bytes);
			let _ = verify_chunk(&[0; 32], &header, index, &bytes, &siblings);
			let _ = verify_leaf_list(&[0; 32], &header, &siblings);
			let _ = proof(&siblings, index);
		}
	}
}
