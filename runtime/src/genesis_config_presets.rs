//! Genesis of the development chains.
//!
//! `dev`: one validator. `local`: four. Both at 2 s a block, 30 slots an epoch, one session an era, with sudo, for one machine.
//! Must not know: the node. The production preset comes with its governance (no privileged key: ARCHITECTURE.md, invariant 9).

use crate::*;
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use serde_json::Value;
use sp_consensus_babe::{AllowedSlots, BabeEpochConfiguration};
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::Perbill;

/// One slot in four is primary; the others have a secondary author with a VRF, so that every block carries randomness.
pub const BABE_EPOCH: BabeEpochConfiguration = BabeEpochConfiguration {
	c: (1, 4),
	allowed_slots: AllowedSlots::PrimaryAndSecondaryVRFSlots,
};

/// Funds of a development account.
const ENDOWMENT: Balance = 10_000_000 * UNIT;
/// Bond of a genesis validator.
const STASH: Balance = 100_000 * UNIT;

/// Development validators with their session keys.
const VALIDATORS: [(Sr25519Keyring, Ed25519Keyring); 4] = [
	(Sr25519Keyring::Alice, Ed25519Keyring::Alice),
	(Sr25519Keyring::Bob, Ed25519Keyring::Bob),
	(Sr25519Keyring::Charlie, Ed25519Keyring::Charlie),
	(Sr25519Keyring::Dave, Ed25519Keyring::Dave),
];

fn genesis(validators: &[(Sr25519Keyring, Ed25519Keyring)]) -> Value {
	let accounts = || {
		validators
			.iter()
			.map(|(account, _)| account.to_account_id())
	};
	let keys = validators
		.iter()
		.map(|(account, grandpa)| {
			let keys = SessionKeys {
				babe: account.public().into(),
				grandpa: grandpa.public().into(),
			};
			(account.to_account_id(), account.to_account_id(), keys)
		})
		.collect::<Vec<_>>();
	let count = validators.len() as u32;
	build_struct_json_patch!(RuntimeGenesisConfig {
		timing: pallet_timing::GenesisConfig {
			slot_millis: 2_000,
			epoch_slots: 30,
			era_sessions: 1,
		},
		balances: BalancesConfig {
			balances: Sr25519Keyring::well_known()
				.map(|key| (key.to_account_id(), ENDOWMENT))
				.collect::<Vec<_>>(),
		},
		babe: BabeConfig {
			epoch_config: BABE_EPOCH
		},
		session: SessionConfig { keys },
		staking: StakingConfig {
			validator_count: MAX_LOCAL_VALIDATORS,
			minimum_validator_count: 1,
			invulnerables: Vec::<AccountId>::new(),
			slash_reward_fraction: Perbill::from_percent(10),
			stakers: accounts()
				.map(|stash| {
					(
						stash.clone(),
						stash,
						STASH,
						pallet_staking::StakerStatus::<AccountId>::Validator,
					)
				})
				.collect::<Vec<_>>(),
			min_validator_bond: 1_000 * UNIT,
			min_nominator_bond: UNIT,
			max_validator_count: Some(count.max(crate::configs::consensus::MAX_AUTHORITIES)),
		},
		sudo: SudoConfig {
			key: Some(Sr25519Keyring::Alice.to_account_id())
		},
	})
}

/// Seats of the development chains, so that newcomers are elected at once.
const MAX_LOCAL_VALIDATORS: u32 = 16;

/// The genesis with this name.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
	let genesis = match id.as_ref() {
		DEV_RUNTIME_PRESET => genesis(VALIDATORS.get(..1)?),
		LOCAL_TESTNET_RUNTIME_PRESET => genesis(&VALIDATORS),
		_ => return None,
	};
	serde_json::to_vec(&genesis).ok()
}

/// Names of the genesis presets.
pub fn preset_names() -> Vec<PresetId> {
	vec![
		PresetId::from(DEV_RUNTIME_PRESET),
		PresetId::from(LOCAL_TESTNET_RUNTIME_PRESET),
	]
}
