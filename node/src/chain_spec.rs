//! Chain specifications: the runtime's genesis presets with the names and properties that wallets show.
//!
//! Must not know: genesis contents; they are the runtime's (`genesis_config_presets`).

use llmchain_runtime::WASM_BINARY;
use sc_service::{ChainType, Properties};

/// Specification of any LLMChain network.
pub type ChainSpec = sc_service::GenericChainSpec;

fn properties() -> Properties {
	let mut properties = Properties::new();
	properties.insert("tokenSymbol".into(), "LLM".into());
	properties.insert("tokenDecimals".into(), 12.into());
	properties.insert("ss58Format".into(), 42.into());
	properties
}

fn specification(name: &str, id: &str, kind: ChainType, preset: &str) -> Result<ChainSpec, String> {
	let wasm = WASM_BINARY.ok_or_else(|| {
		"this node was built without the runtime's WASM; build it without SKIP_WASM_BUILD"
			.to_string()
	})?;
	Ok(ChainSpec::builder(wasm, None)
		.with_name(name)
		.with_id(id)
		.with_chain_type(kind)
		.with_genesis_config_preset_name(preset)
		.with_properties(properties())
		.with_protocol_id("llmchain")
		.build())
}

/// One validator, Alice.
pub fn development() -> Result<ChainSpec, String> {
	specification(
		"LLMChain Development",
		"llmchain_dev",
		ChainType::Development,
		sp_genesis_builder::DEV_RUNTIME_PRESET,
	)
}

/// Four validators: Alice, Bob, Charlie and Dave.
pub fn local() -> Result<ChainSpec, String> {
	specification(
		"LLMChain Local",
		"llmchain_local",
		ChainType::Local,
		sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET,
	)
}

/// The specification with this identity, or that in the file of this name.
pub fn load(id: &str) -> Result<Box<dyn sc_service::ChainSpec>, String> {
	Ok(Box::new(match id {
		"dev" => development()?,
		"" | "local" => local()?,
		path => ChainSpec::from_json_file(path.into())?,
	}))
}
