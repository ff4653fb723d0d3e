//! The transaction extension that lets `archive` run at the top of an extrinsic only.
//!
//! Before dispatch it marks, by the extrinsic's index, a transaction whose call *is* `archive`; `archive` takes the mark as
//! its first step and refuses without it. A call inside batch, proxy, sudo or any other wrapper, at any depth, never sees a mark,
//! so no list of wrappers has to be kept. Copies, empty and oversize blobs are refused before they reach a block.
//!
//! Must not know: which wrappers the runtime has. It belongs into the extrinsic's own pipeline only, never into one that a call
//! runs for inner transactions; after the fee is checked, so that hashing is paid for.
//! Source: ARCHITECTURE.md, "Data planes".
//! Invariant: encodes to nothing, explicit and implicit, so that wallets which do not know it sign correctly.

use crate::{pallet::length, Call, Config, Pallet, TopLevel, WeightInfo};
use alloc::vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::marker::PhantomData;
use frame_support::{
	traits::{IsSubType, OriginTrait},
	weights::Weight,
	CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound,
};
use scale_info::TypeInfo;
use sp_runtime::{
	traits::{
		DispatchInfoOf, Dispatchable, Implication, PostDispatchInfoOf, TransactionExtension,
		ValidateResult,
	},
	transaction_validity::{
		InvalidTransaction, TransactionSource, TransactionValidity, TransactionValidityError,
		ValidTransaction,
	},
	DispatchResult,
};

/// Why a transaction that archives is invalid; its code is the number of `InvalidTransaction::Custom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
	/// The blob has no bytes.
	EmptyBlob = 101,
	/// The blob is larger than `MAX_BLOB_SIZE`.
	BlobTooLarge = 102,
	/// The same bytes are archived already.
	AlreadyArchived = 103,
}

impl From<Refusal> for TransactionValidityError {
	fn from(refusal: Refusal) -> Self {
		InvalidTransaction::Custom(refusal as u8).into()
	}
}

/// What the call of an extrinsic is, seen from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopLevelCall {
	/// `archive` itself.
	Archive,
	/// Anything else, also what has an `archive` inside.
	Other,
}

/// Marks a transaction whose own call is `archive`, and refuses hopeless ones early.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	CloneNoBound,
	EqNoBound,
	PartialEqNoBound,
	DebugNoBound,
	TypeInfo,
)]
#[scale_info(skip_type_params(T))]
pub struct CheckArchive<T>(PhantomData<T>);

impl<T> CheckArchive<T> {
	/// The extension; it carries nothing.
	pub fn new() -> Self {
		Self(PhantomData)
	}
}

impl<T> Default for CheckArchive<T> {
	fn default() -> Self {
		Self::new()
	}
}

/// The blob of a call that is `archive` itself.
fn archived_data<T: Config>(call: &T::RuntimeCall) -> Option<&[u8]>
where
	T::RuntimeCall: IsSubType<Call<T>>,
{
	match call.is_sub_type() {
		Some(Call::archive { data }) => Some(data),
		_ => None,
	}
}

impl<T> TransactionExtension<T::RuntimeCall> for CheckArchive<T>
where
	T: Config + Send + Sync,
	T::RuntimeCall: Dispatchable + IsSubType<Call<T>>,
{
	const IDENTIFIER: &'static str = "CheckArchive";
	type Implicit = ();
	type Val = TopLevelCall;
	type Pre = TopLevelCall;

	fn weight(&self, call: &T::RuntimeCall) -> Weight {
		archived_data::<T>(call).map_or(Weight::zero(), |data| {
			T::WeightInfo::check_archive(length(data))
		})
	}

	fn validate(
		&self,
		origin: T::RuntimeOrigin,
		call: &T::RuntimeCall,
		_info: &DispatchInfoOf<T::RuntimeCall>,
		_len: usize,
		_self_implicit: Self::Implicit,
		_inherited_implication: &impl Implication,
		_source: TransactionSource,
	) -> ValidateResult<Self::Val, T::RuntimeCall> {
		let Some(data) = archived_data::<T>(call) else {
			return Ok((ValidTransaction::default(), TopLevelCall::Other, origin));
		};
		// Before the bytes are hashed: hashing is for those who pay.
		if origin.as_signer().is_none() {
			return Err(InvalidTransaction::BadSigner.into());
		}
		let (hash, _) = Pallet::<T>::admit(data)?;
		let validity = ValidTransaction {
			// One pending transaction for each blob: a second one would be gossiped for nothing, and never pay.
			provides: vec![(Self::IDENTIFIER, hash).encode()],
			..Default::default()
		};
		Ok((validity, TopLevelCall::Archive, origin))
	}

	fn prepare(
		self,
		val: Self::Val,
		_origin: &T::RuntimeOrigin,
		_call: &T::RuntimeCall,
		_info: &DispatchInfoOf<T::RuntimeCall>,
		_len: usize,
	) -> Result<Self::Pre, TransactionValidityError> {
		if val == TopLevelCall::Archive {
			TopLevel::<T>::set(frame_system::Pallet::<T>::extrinsic_index());
		}
		Ok(val)
	}

	fn post_dispatch_details(
		pre: Self::Pre,
		_info: &DispatchInfoOf<T::RuntimeCall>,
		_post_info: &PostDispatchInfoOf<T::RuntimeCall>,
		_len: usize,
		_result: &DispatchResult,
	) -> Result<Weight, TransactionValidityError> {
		// A call that fails gives the mark back with all its other changes, and a filtered call never takes it.
		if pre == TopLevelCall::Archive {
			TopLevel::<T>::kill();
		}
		Ok(Weight::zero())
	}

	fn bare_validate(
		call: &T::RuntimeCall,
		_info: &DispatchInfoOf<T::RuntimeCall>,
		_len: usize,
	) -> TransactionValidity {
		match archived_data::<T>(call) {
			Some(_) => Err(InvalidTransaction::BadSigner.into()),
			None => Ok(ValidTransaction::default()),
		}
	}

	fn bare_validate_and_prepare(
		call: &T::RuntimeCall,
		info: &DispatchInfoOf<T::RuntimeCall>,
		len: usize,
	) -> Result<(), TransactionValidityError> {
		Self::bare_validate(call, info, len).map(|_| ())
	}
}
