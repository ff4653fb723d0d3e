//! A `model.safetensors` of a stranger: read or refused, and read as the `safetensors` crate reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transformer::hf;

/// The architecture of the seeds.
const CONFIG: &[u8] = br#"{"model_type":"gpt2","vocab_size":5,"n_positions":2,"n_layer":1,"n_head":1,"n_embd":2,"n_inner":2}"#;

fuzz_target!(|bytes: &[u8]| {
	let folder = hf::Folder::from([
		(hf::CONFIG.to_string(), CONFIG.to_vec()),
		(hf::MODEL.to_string(), bytes.to_vec()),
	]);
	if let Ok(imported) = hf::import(&folder) {
		assert!(imported.parameters.as_slice().iter().all(|x| x.is_finite()));
		let theirs = safetensors::SafeTensors::deserialize(bytes).expect("the crate reads it too");
		assert!(theirs.len() >= imported.parameters.layout().tensors().len());
	}
});
