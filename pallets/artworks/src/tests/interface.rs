//! Tests of what wallets, indexers and other programs rely on: numbers, names, documentation lines, hashes.

use super::*;
use codec::{Decode, Encode};
use scale_info::{form::MetaForm, TypeDef, TypeInfo, Variant};

fn variants<T: TypeInfo>() -> Vec<Variant<MetaForm>> {
	match T::type_info().type_def {
		TypeDef::Variant(variants) => variants
			.variants
			.into_iter()
			.filter(|variant| !variant.name.starts_with("__"))
			.collect(),
		other => panic!("not an enum: {other:?}"),
	}
}

fn names<T: TypeInfo>() -> Vec<(u8, &'static str)> {
	variants::<T>()
		.into_iter()
		.map(|variant| (variant.index, variant.name))
		.collect()
}

#[test]
fn calls_keep_their_numbers() {
	assert_eq!(
		names::<crate::Call<Test>>(),
		[
			(0, "register"),
			(1, "list_for_sale"),
			(2, "unlist"),
			(3, "buy")
		]
	);
}

#[test]
fn errors_keep_their_numbers() {
	assert_eq!(
		names::<Error<Test>>(),
		[
			(0, "TitleEmpty"),
			(1, "TitleHasHiddenCharacters"),
			(2, "FileEmpty"),
			(3, "FileTooLarge"),
			(4, "FileNotUtf8"),
			(5, "AlreadyRegistered"),
			(6, "ContradictoryDisclosure"),
			(7, "ReceiptFromAnotherChain"),
			(8, "NotTheAsker"),
			(9, "UnknownVersion"),
			(10, "ReceiptMismatch"),
			(11, "OutputMismatch"),
			(12, "UnknownServer"),
			(13, "BadReceiptSignature"),
			(14, "CannotPayDeposit"),
			(15, "UnknownWork"),
			(16, "NotTheOwner"),
			(17, "PriceTooLow"),
			(18, "PriceUnchanged"),
			(19, "NotForSale"),
			(20, "CannotBuyOwn"),
			(21, "PriceAboveMaximum"),
			(22, "CannotPayPrice"),
		]
	);
}

#[test]
fn events_keep_their_numbers() {
	assert_eq!(
		names::<Event<Test>>(),
		[
			(0, "WorkRegistered"),
			(1, "WorkListed"),
			(2, "WorkUnlisted"),
			(3, "WorkSold"),
			(4, "ContributorPaid"),
		]
	);
}

#[test]
fn wallets_show_one_short_sentence_for_each_call_error_and_event() {
	for call in variants::<crate::Call<Test>>() {
		let first = call.docs.first().copied().unwrap_or_default();
		assert!(
			first.ends_with('.') && first.len() <= 80,
			"{}: {first:?}",
			call.name
		);
		assert_eq!(
			call.docs.get(1),
			Some(&""),
			"{}: the sentence has one line",
			call.name
		);
	}
	for variant in [variants::<Error<Test>>(), variants::<Event<Test>>()].concat() {
		assert_eq!(variant.docs.len(), 1, "{}: one line", variant.name);
		assert!(
			variant.docs[0].ends_with('.'),
			"{}: a sentence",
			variant.name
		);
	}
	for field in variants::<Event<Test>>()
		.into_iter()
		.flat_map(|event| event.fields)
	{
		assert!(field.name.is_some(), "event fields have names");
	}
}

#[test]
fn wallets_offer_fields_that_fit_what_people_enter() {
	let register = variants::<crate::Call<Test>>().remove(0);
	let fields: Vec<_> = register
		.fields
		.iter()
		.map(|field| (field.name.unwrap(), field.type_name.unwrap()))
		.collect();
	assert_eq!(
		fields,
		[
			("title", "Title"),
			("file", "Vec<u8>"),
			("disclosure", "Disclosure"),
			("receipt", "Option<Receipt>"),
		]
	);
	assert_eq!(register.fields[0].ty, scale_info::meta_type::<str>());
	let price = &variants::<crate::Call<Test>>()[1].fields[1];
	assert_eq!(price.type_name, Some("BalanceOf<T>"));
}

#[test]
fn identities_are_the_hashes_that_the_protocol_says() {
	// Computed by another implementation of BLAKE2b-256 from docs/protocol/work.md.
	let text = hash(POEM);
	assert_eq!(
		format!("{text:?}"),
		"0x86964ac816eb8311c55de470f2379a0c8aa87ff8023a86f3aaf76e819cfe2b4f"
	);
	assert_eq!(
		format!("{:?}", crate::work_id(&artist(), &text)),
		"0x3e7748e41999525877c53610b7d0129658b34c41d59726a449ab50f248d5a9da"
	);
	let mut generation =
		externalities().execute_with(|| generation(&artist(), Hash::repeat_byte(0x61), POEM));
	generation.genesis = Hash::repeat_byte(0x71);
	assert_eq!(
		format!("{:?}", generation.id()),
		"0x44f0ae088a1d9a26ef2de228817ae50a58507f7e38c9ab898748adae1dff6930"
	);
}

#[test]
fn receipts_and_entries_survive_encoding() {
	run(|| {
		let receipt = signed(generation(&artist(), Hash::zero(), POEM));
		assert_eq!(
			Receipt::decode(&mut &receipt.encode()[..]),
			Ok(receipt.clone())
		);
		// 32 bytes each: genesis, asker, server, version, tokenizer, seed, output; specification; prompt; sampling; signature.
		assert_eq!(receipt.encoded_size(), 7 * 32 + 4 + (1 + 6) + 16 + 64);
		assert!(Receipt::decode(&mut &receipt.encode()[..receipt.encoded_size() - 1]).is_err());
	});
}
