//! Tests of the composition: presets build, constants fit, extensions encode to nothing where wallets expect nothing.

use crate::*;
use codec::Encode;
use frame_support::traits::Get;
use sp_runtime::BuildStorage;

fn preset(name: &str) -> sp_io::TestExternalities {
	let json = genesis_config_presets::get_preset(&name.into()).unwrap();
	let patch: serde_json::Value = serde_json::from_slice(&json).unwrap();
	let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).unwrap();
	merge(&mut config, patch);
	serde_json::from_value::<RuntimeGenesisConfig>(config)
		.unwrap()
		.build_storage()
		.unwrap()
		.into()
}

fn merge(base: &mut serde_json::Value, patch: serde_json::Value) {
	match (base, patch) {
		(serde_json::Value::Object(base), serde_json::Value::Object(patch)) => {
			for (key, value) in patch {
				merge(base.entry(key).or_insert(serde_json::Value::Null), value);
			}
		}
		(base, patch) => *base = patch,
	}
}

#[test]
fn presets_build_with_their_validators() {
	for (name, validators) in [("development", 1), ("local_testnet", 4)] {
		preset(name).execute_with(|| {
			assert_eq!(Session::validators().len(), validators, "{name}");
			assert_eq!(pallet_timing::SlotMillis::<Runtime>::get(), 2_000);
			assert_eq!(Babe::slot_duration(), 2_000);
		});
	}
	assert!(genesis_config_presets::get_preset(&"nonsense".into()).is_none());
}

#[test]
fn a_block_weighs_a_third_of_its_slot() {
	preset("local_testnet").execute_with(|| {
		let weights = configs::system::RuntimeBlockWeights::get();
		weights.clone().validate().unwrap();
		assert_eq!(weights.max_block.ref_time(), 666_000_000_000);
	});
}

#[test]
fn our_extension_encodes_to_nothing() {
	assert!(pallet_blobs::CheckArchive::<Runtime>::new()
		.encode()
		.is_empty());
}

/// The command line is built against a committed file; with `LLMCHAIN_UPDATE_METADATA` set this test writes it anew.
#[test]
fn the_command_line_knows_this_metadata() {
	// Asked at run time, since checkouts may share a target folder.
	let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into());
	let file = std::path::Path::new(&package).join("../cli/metadata.scale");
	let metadata = sp_io::TestExternalities::default()
		.execute_with(|| Runtime::metadata_at_version(15).unwrap().to_vec());
	if std::env::var_os("LLMCHAIN_UPDATE_METADATA").is_some() {
		std::fs::write(&file, &metadata).unwrap();
	}
	assert!(
		std::fs::read(&file).is_ok_and(|committed| committed == metadata),
		"cli/metadata.scale is stale: run `LLMCHAIN_UPDATE_METADATA=1 cargo test -p llmchain-runtime metadata`"
	);
}
