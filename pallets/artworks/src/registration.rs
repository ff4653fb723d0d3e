//! Registering a work: what is hashed, what is refused, what a receipt must say.
//!
//! Must not know: sales; how a receipt came about. Source: docs/protocol/work.md 2 and 3, docs/protocol/receipt.md 3.
//! Invariants: cheap checks come before the signature; nothing is held or stored before every check has passed.

use crate::{
	text::{self, TitleFault, TEXT_FORM},
	types::{AccountIdOf, ProvenanceEventOf, Work},
	Config, Error, Event, HoldReason, Pallet, WorkOfFile, WorkOfText, Works,
};
use frame_support::{
	ensure,
	traits::{fungible::MutateHold, Get},
};
use frame_system::pallet_prelude::BlockNumberFor;
use llmchain_primitives::{
	data::Title,
	receipt::Receipt,
	traits::{ModelRegistry, TrainerKeys},
	work::Disclosure,
	AccountId, Hash, VersionId, WorkId,
};
use sp_runtime::{
	traits::{BlakeTwo256, Hash as _, Zero},
	DispatchResult,
};

/// Identity of the work that `claimant` claims by registering the text with this digest.
pub fn work_id(claimant: &AccountId, text: &Hash) -> WorkId {
	BlakeTwo256::hash_of(&(b"llmchain/work/1", claimant, text))
}

impl<T: Config> Pallet<T> {
	/// Registers a work; see the call `register`.
	pub(crate) fn do_register(
		claimant: T::AccountId,
		title: Title,
		bytes: &[u8],
		disclosure: Disclosure,
		receipt: Option<Receipt>,
	) -> DispatchResult {
		text::check_title(title.as_str()).map_err(|fault| match fault {
			TitleFault::Empty => Error::<T>::TitleEmpty,
			TitleFault::HiddenCharacters => Error::<T>::TitleHasHiddenCharacters,
		})?;
		let size = u32::try_from(bytes.len())
			.ok()
			.filter(|size| *size <= T::MaxFileSize::get())
			.ok_or(Error::<T>::FileTooLarge)?;
		let content = core::str::from_utf8(bytes).map_err(|_| Error::<T>::FileNotUtf8)?;
		let canonical = text::canonical(content);
		ensure!(!canonical.is_empty(), Error::<T>::FileEmpty);

		let file = BlakeTwo256::hash(bytes);
		let text = BlakeTwo256::hash(canonical.as_bytes());
		// The file's hash matters once digests are taken over a newer form than an old work's.
		ensure!(
			!WorkOfText::<T>::contains_key(text) && !WorkOfFile::<T>::contains_key(file),
			Error::<T>::AlreadyRegistered
		);
		let made_with = Self::cited(&claimant, &file, disclosure, receipt.as_ref())?;

		let deposit = T::WorkDeposit::get();
		T::Currency::hold(&HoldReason::WorkDeposit.into(), &claimant, deposit)
			.map_err(|_| Error::<T>::CannotPayDeposit)?;

		let id = work_id(&claimant, &text);
		let mut work = Work {
			title: title.clone(),
			claimant: claimant.clone(),
			owner: claimant.clone(),
			file,
			text,
			text_form: TEXT_FORM,
			size,
			disclosure,
			made_with,
			deposit,
			registered: frame_system::Pallet::<T>::block_number(),
			history: 0,
		};
		let registered = ProvenanceEventOf::<T>::Registered {
			claimant: claimant.clone(),
			file,
			disclosure,
			made_with,
		};
		Self::record(id, &mut work, registered)?;
		Works::<T>::insert(id, work);
		WorkOfText::<T>::insert(text, id);
		WorkOfFile::<T>::insert(file, id);
		Self::deposit_event(Event::WorkRegistered {
			work: id,
			claimant,
			title,
			file,
			disclosure,
			made_with,
		});
		Ok(())
	}

	/// Version and receipt that a work may cite: none without a receipt, else what a receipt proves that passes every check.
	fn cited(
		claimant: &AccountIdOf<T>,
		file: &Hash,
		disclosure: Disclosure,
		receipt: Option<&Receipt>,
	) -> Result<Option<(VersionId, Hash)>, Error<T>> {
		let Some(receipt) = receipt else {
			return Ok(None);
		};
		let made = &receipt.generation;
		ensure!(
			disclosure != Disclosure::Human,
			Error::<T>::ContradictoryDisclosure
		);
		let genesis = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
		ensure!(made.genesis == genesis, Error::<T>::ReceiptFromAnotherChain);
		ensure!(made.asker == *claimant, Error::<T>::NotTheAsker);
		let version = T::Models::version(&made.version).ok_or(Error::<T>::UnknownVersion)?;
		ensure!(
			made.tokenizer == version.tokenizer && made.numeric_spec == version.numeric_spec,
			Error::<T>::ReceiptMismatch
		);
		ensure!(
			disclosure != Disclosure::AiGenerated || made.output == *file,
			Error::<T>::OutputMismatch
		);
		let key = T::Trainers::trainer_key(&made.server).ok_or(Error::<T>::UnknownServer)?;
		ensure!(receipt.is_signed_by(&key), Error::<T>::BadReceiptSignature);
		Ok(Some((made.version, made.id())))
	}
}
