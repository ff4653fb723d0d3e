//! Tests of the store: what is written is read back or found damaged. Must not know who serves from it.

use super::*;
use secagg::VectorKind;

fn sample() -> (tempfile::TempDir, Store, Header, Vec<i16>) {
	let dir = tempfile::tempdir().unwrap();
	let store = Store::open(dir.path()).unwrap();
	let header = Header::new(VectorKind::Update, 3 * 4096 + 7, [9; 32]).unwrap();
	let values = (0..header.len()).map(|i| (i % 251) as i16 - 125).collect();
	(dir, store, header, values)
}

#[test]
fn vectors_come_back_whole_and_by_chunks() {
	let (_dir, store, header, values) = sample();
	let root = store.put_vector(&header, &values).unwrap();
	assert_eq!(root, secagg::vector_root(&header, &values).unwrap());
	assert_eq!(store.vector(&root, &header).unwrap(), Some(values.clone()));
	let (found, leaves) = store.leaves(&root).unwrap().unwrap();
	assert_eq!((found, leaves.len()), (header, 4));
	let chunks = store.chunks(&root, 1, u32::MAX).unwrap().unwrap();
	assert_eq!(chunks.len(), 3);
	assert_eq!(
		secagg::decode_chunk::<i16>(&header, 3, &chunks[2]).unwrap(),
		values[3 * 4096..]
	);
	assert_eq!(store.chunks(&root, 4, 1).unwrap(), Some(vec![]));
	assert_eq!(store.chunks(&root, u32::MAX, 9).unwrap(), Some(vec![]));
	assert_eq!(store.leaves(&[0; 32]).unwrap(), None);
}

#[test]
fn a_withheld_vector_is_nobodys_until_it_is_published() {
	let (dir, store, header, values) = sample();
	let root = store.withhold_vector(&header, &values).unwrap();
	let read = |store: &Store| {
		(
			store.leaves(&root).unwrap().is_some(),
			store.chunks(&root, 0, 1).unwrap().is_some(),
			store.vector(&root, &header).unwrap() == Some(values.clone()),
		)
	};
	assert_eq!(read(&store), (false, false, false));
	drop(store);
	let store = Store::open(dir.path()).unwrap();
	assert_eq!(read(&store), (false, false, false), "after a restart");
	store.publish(&root).unwrap();
	assert_eq!(read(&store), (true, true, true));
	// Again, and of what is not here: nothing happens.
	store.publish(&root).unwrap();
	store.publish(&[0; 32]).unwrap();
	assert_eq!(read(&store), (true, true, true));
}

#[test]
fn damage_anywhere_makes_a_vector_absent() {
	let (_dir, store, header, values) = sample();
	let root = store.put_vector(&header, &values).unwrap();
	let path = store.vector_path(&root);
	let good = std::fs::read(&path).unwrap();
	let last = good.len() - 1;
	for place in [0, 9, PREFIX, PREFIX + 4 * 32, last] {
		let mut bad = good.clone();
		bad[place] ^= 1;
		std::fs::write(&path, &bad).unwrap();
		assert_eq!(
			store.vector::<i16>(&root, &header).unwrap(),
			None,
			"{place}"
		);
		assert!(!store.has_vector(&root), "{place}");
	}
	std::fs::write(&path, &good[..last]).unwrap();
	assert_eq!(store.chunks(&root, 0, 4).unwrap(), None);
	assert!(!store.has_vector(&root));
	// A header that promises 2^32 coordinates allocates nothing.
	let mut bad = good[..PREFIX].to_vec();
	bad[9..17].copy_from_slice(&(1u64 << 32).to_le_bytes());
	std::fs::write(&path, &bad).unwrap();
	assert_eq!(store.leaves(&root).unwrap(), None);
}

#[test]
fn asking_under_another_name_removes_nothing() {
	let (_dir, store, header, values) = sample();
	let root = store.put_vector(&header, &values).unwrap();
	let other = Header::new(VectorKind::Update, header.len(), [8; 32]).unwrap();
	assert!(matches!(
		store.vector::<i16>(&root, &other),
		Err(StoreError::Foreign { got, .. }) if got == [9; 32]
	));
	assert_eq!(store.vector(&root, &header).unwrap(), Some(values));
}

#[test]
fn blobs_are_checked_by_their_hash() {
	let (_dir, store, ..) = sample();
	let hash = store.put_blob(b"text").unwrap();
	assert_eq!(store.blob(&hash).unwrap().unwrap(), b"text");
	std::fs::write(store.blob_path(&hash), b"test").unwrap();
	assert_eq!(store.blob(&hash).unwrap(), None);
	assert!(!store.blob_path(&hash).exists());
}

#[test]
fn a_directory_has_one_store() {
	let (dir, store, ..) = sample();
	assert!(matches!(
		Store::open(dir.path()),
		Err(StoreError::Locked { .. })
	));
	drop(store);
	Store::open(dir.path()).unwrap();
}

#[test]
fn a_partial_vector_resumes_after_its_last_good_chunk() {
	let (_dir, store, header, values) = sample();
	let leaves = secagg::leaves(&header, &values).unwrap();
	let root = secagg::root(&header, &leaves).unwrap();
	let bytes = secagg::encode(&values);
	let chunks: Vec<&[u8]> = bytes.chunks(8192).collect();
	let reservation = store.reserve(&root);
	assert!(Partial::resume(&reservation, &header).unwrap().is_none());
	let mut partial = Partial::begin(&reservation, &header, leaves).unwrap();
	assert!(partial.append(chunks[0]).unwrap());
	assert!(!partial.append(chunks[2]).unwrap());
	assert!(partial.append(chunks[1]).unwrap());
	let path = partial.path.clone();
	drop(partial);
	// The end of the second chunk is lost in a crash.
	let length = std::fs::metadata(&path).unwrap().len();
	OpenOptions::new()
		.write(true)
		.open(&path)
		.unwrap()
		.set_len(length - 1)
		.unwrap();
	let mut partial = Partial::resume(&reservation, &header).unwrap().unwrap();
	assert_eq!(partial.next(), 1);
	for chunk in &chunks[1..] {
		assert!(partial.append(chunk).unwrap());
	}
	assert!(!partial.append(chunks[3]).unwrap());
	partial.finish().unwrap();
	assert_eq!(store.vector(&root, &header).unwrap(), Some(values));
	assert!(!path.exists());
}

proptest::proptest! {
	#[test]
	fn any_file_is_whole_or_absent(
		tail in proptest::collection::vec(proptest::num::u8::ANY, 0..300), keep in 0usize..60,
	) {
		let (_dir, store, header, values) = sample();
		let root = store.put_vector(&header, &values).unwrap();
		let path = store.vector_path(&root);
		let mut bytes = std::fs::read(&path).unwrap();
		bytes.truncate(keep);
		bytes.extend(tail);
		for read in 0..3 {
			std::fs::write(&path, &bytes).unwrap();
			let absent = match read {
				0 => store.leaves(&root).unwrap().is_none(),
				1 => store.chunks(&root, 0, 9).unwrap().is_none(),
				_ => store.vector::<i16>(&root, &header).unwrap().is_none(),
			};
			proptest::prop_assert!(absent && !store.has_vector(&root));
		}
	}
}
