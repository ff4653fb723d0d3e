//! A `config.json` of a stranger: read or refused, without room made for what it claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transformer::{hf, Error};

/// A container without tensors.
const EMPTY: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

fuzz_target!(|bytes: &[u8]| {
	let folder = hf::Folder::from([
		(hf::CONFIG.to_string(), bytes.to_vec()),
		(hf::MODEL.to_string(), EMPTY.to_vec()),
	]);
	let error = hf::import(&folder).expect_err("there is no tensor");
	// What passes the configuration stops at the first tensor.
	if let Error::BadFile { file, defect } = error {
		assert!(
			file == hf::CONFIG
				|| matches!(defect, transformer::error::FileDefect::MissingTensor { .. })
		);
	}
});
