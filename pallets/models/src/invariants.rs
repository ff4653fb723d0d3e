//! What must hold of models and versions between blocks.
//!
//! Run by `try_state`, and by the tests after each step. Must not know: how a state came about; it changes nothing.
//! Invariants checked: those that the pallet's header states, one error text for each.

use crate::{
	identity, lineage::strictly_ascending, BalanceOf, Config, HoldReason, Model, Models, Pallet,
	Versions,
};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{ensure, traits::fungible::InspectHold};
use llmchain_primitives::{
	model::{model_id, Origin},
	AccountId, ModelId,
};
use sp_runtime::{Saturating, TryRuntimeError};

impl<T: Config> Pallet<T> {
	/// Checks what must hold between blocks: the graph of versions, and deposits against holds.
	pub(crate) fn do_try_state() -> Result<(), TryRuntimeError> {
		let numbers = Self::try_versions()?;
		let mut obligations = BTreeMap::<AccountId, BalanceOf<T>>::new();
		for (id, model) in Models::<T>::iter() {
			Self::try_model(&id, &model)?;
			let found = numbers.get(&id).map_or(0, BTreeSet::len);
			ensure!(
				u32::try_from(found) == Ok(model.versions),
				"models: a model counts other versions than it has"
			);
			let sum = obligations.entry(model.owner).or_default();
			*sum = sum.saturating_add(model.deposit);
		}
		let reason = HoldReason::ModelDeposit.into();
		for account in frame_system::Account::<T>::iter_keys() {
			let obligation = obligations.remove(&account).unwrap_or_default();
			ensure!(
				T::Currency::balance_on_hold(&reason, &account) == obligation,
				"models: an account's hold differs from its deposits"
			);
		}
		ensure!(
			obligations
				.into_values()
				.all(|sum| sum == Default::default()),
			"models: a deposit has no account"
		);
		Ok(())
	}

	/// Checks each version by itself and against its parents; returns the numbers of each model's versions.
	fn try_versions() -> Result<BTreeMap<ModelId, BTreeSet<u32>>, TryRuntimeError> {
		let now = frame_system::Pallet::<T>::block_number();
		let mut numbers = BTreeMap::<ModelId, BTreeSet<u32>>::new();
		for (id, version) in Versions::<T>::iter() {
			ensure!(
				identity(&version) == id,
				"models: a version is not the one that was registered"
			);
			let model =
				Models::<T>::get(version.model).ok_or("models: a version belongs to no model")?;
			ensure!(
				version.number < model.versions,
				"models: a version has a number beyond its model's"
			);
			ensure!(
				numbers
					.entry(version.model)
					.or_default()
					.insert(version.number),
				"models: two versions of a model have the same number"
			);
			let is_seed = matches!(version.origin, Origin::Seed(_));
			ensure!(
				is_seed == (version.number == 0) && is_seed == version.parents.is_empty(),
				"models: version 0, and no other, comes from a seed and has no parent"
			);
			for parent in &version.parents {
				let parent = Versions::<T>::get(parent)
					.ok_or("models: a version's parent is not registered")?;
				ensure!(
					parent.model == version.model && parent.number < version.number,
					"models: a version's parent is not an older one of its model"
				);
			}
			ensure!(
				version.tokenizer == model.tokenizer,
				"models: a version speaks another tokenizer than its model"
			);
			ensure!(
				version.created <= now,
				"models: a version was registered in a later block"
			);
			ensure!(
				strictly_ascending(version.contributors.iter().map(|one| &one.account))
					&& version.contributors.iter().all(|one| one.examples > 0),
				"models: contributors are out of order, repeated or without examples"
			);
			ensure!(
				strictly_ascending(version.datasets.iter()),
				"models: datasets are out of order or repeated"
			);
		}
		Ok(numbers)
	}

	/// Checks a model against its first and latest version.
	fn try_model(id: &ModelId, model: &Model<BalanceOf<T>>) -> Result<(), TryRuntimeError> {
		let first = Versions::<T>::get(model.first)
			.ok_or("models: a model's first version is not registered")?;
		let latest = Versions::<T>::get(model.latest)
			.ok_or("models: a model's latest version is not registered")?;
		ensure!(
			first.model == *id && first.number == 0,
			"models: a model's first version is not its version 0"
		);
		ensure!(
			latest.model == *id && latest.number.checked_add(1) == Some(model.versions),
			"models: a model's latest version is not the one registered last"
		);
		let Origin::Seed(seed) = first.origin else {
			return Err("models: a model's first version has no seed".into());
		};
		ensure!(
			model_id(
				&model.owner,
				&model.name,
				&model.architecture,
				&model.tokenizer,
				&seed
			) == *id,
			"models: a model is not the one that was created"
		);
		Ok(())
	}
}
