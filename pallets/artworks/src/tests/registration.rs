//! Tests of `register`: what a work becomes, and every way to be refused.

use super::*;
use sp_core::Pair;

#[test]
fn a_registered_work_is_evidence_of_a_claim() {
	run(|| {
		let file = "床前明月光\r\n疑是地上霜\r\n";
		let work = register(&artist(), file, Disclosure::Human, None);
		let text = hash("床前明月光\n疑是地上霜");

		assert_eq!(work, crate::work_id(&artist(), &text));
		assert_eq!(Artworks::work_of(text), Some(work));
		assert_eq!(Artworks::work_of(hash(file)), Some(work));
		assert_eq!(Artworks::work_of(hash("another")), None);

		let view = Artworks::work_view(work).unwrap();
		assert_eq!(view.title.as_str(), "静夜思");
		assert_eq!((&view.claimant, &view.owner), (&artist(), &artist()));
		assert_eq!((view.file, view.size), (hash(file), 34));
		assert_eq!((view.disclosure, view.made_with), (Disclosure::Human, None));
		assert_eq!((view.price, view.registered, view.history), (None, 1, 1));
		assert_eq!(Works::<Test>::get(work).unwrap().text_form, 1);

		let registered = ProvenanceEvent::Registered {
			claimant: artist(),
			file: hash(file),
			disclosure: Disclosure::Human,
			made_with: None,
		};
		assert_eq!(history(work), [registered]);
		let reason = HoldReason::WorkDeposit.into();
		assert_eq!(Balances::balance_on_hold(&reason, &artist()), WORK_DEPOSIT);
		assert_eq!(
			events(),
			[Event::WorkRegistered {
				work,
				claimant: artist(),
				title: "静夜思".try_into().unwrap(),
				file: hash(file),
				disclosure: Disclosure::Human,
				made_with: None,
			}]
		);
	});
}

#[test]
fn a_receipt_binds_the_work_to_its_version() {
	run(|| {
		let version = version_of(&[(account(4), 1)]);
		let receipt = signed(generation(&artist(), version, POEM));
		let cited = Some((version, receipt.generation.id()));
		let work = register(
			&artist(),
			POEM,
			Disclosure::AiGenerated,
			Some(receipt.clone()),
		);
		assert_eq!(Artworks::work_view(work).unwrap().made_with, cited);

		// One answer may help with several works; each is another text.
		let edited = POEM.replace('霜', "雪");
		let work = register(&artist(), &edited, Disclosure::AiAssisted, Some(receipt));
		assert_eq!(Artworks::work_view(work).unwrap().made_with, cited);
	});
}

#[test]
fn text_of_a_model_that_the_chain_does_not_know_needs_no_receipt() {
	run(|| {
		for (file, disclosure) in [
			("one", Disclosure::AiGenerated),
			("two", Disclosure::AiAssisted),
		] {
			let work = register(&artist(), file, disclosure, None);
			assert_eq!(Artworks::work_view(work).unwrap().made_with, None);
		}
	});
}

#[test]
fn the_same_text_is_never_a_second_work() {
	run(|| {
		register(&artist(), POEM, Disclosure::Human, None);
		for again in [
			POEM.to_string(),
			format!("\u{feff}{POEM}\r\n"),
			POEM.replace('\n', " \r\n"),
		] {
			for claimant in [artist(), buyer()] {
				assert_noop!(
					Artworks::register(
						signed_by(&claimant),
						"Another title".try_into().unwrap(),
						again.clone().into(),
						Disclosure::AiAssisted,
						None,
					),
					Error::<Test>::AlreadyRegistered
				);
			}
		}
	});
}

#[test]
fn files_that_are_no_text_are_refused() {
	run(|| {
		let refuse = |file: Vec<u8>, error: Error<Test>| {
			assert_noop!(
				Artworks::register(
					signed_by(&artist()),
					"Title".try_into().unwrap(),
					file,
					Disclosure::Human,
					None,
				),
				error
			);
		};
		refuse(vec![], Error::FileEmpty);
		refuse(b" \r\n\t\n".to_vec(), Error::FileEmpty);
		refuse("\u{feff}\u{200b}".into(), Error::FileEmpty);
		refuse(vec![0xff, 0xfe, 0x41], Error::FileNotUtf8);
		// A character cut in two.
		refuse("月".as_bytes()[..2].to_vec(), Error::FileNotUtf8);
		refuse(vec![b'a'; 16 * 1024 + 1], Error::FileTooLarge);
		register(&artist(), &"a".repeat(16 * 1024), Disclosure::Human, None);
	});
}

#[test]
fn titles_that_deceive_are_refused() {
	run(|| {
		for (title, error) in [
			("", Error::<Test>::TitleEmpty),
			("  ", Error::<Test>::TitleEmpty),
			("moon\u{202e}light", Error::<Test>::TitleHasHiddenCharacters),
			("moon\nlight", Error::<Test>::TitleHasHiddenCharacters),
		] {
			assert_noop!(
				Artworks::register(
					signed_by(&artist()),
					title.try_into().unwrap(),
					POEM.into(),
					Disclosure::Human,
					None,
				),
				error
			);
		}
	});
}

#[test]
fn a_receipt_that_proves_nothing_is_refused() {
	run(|| {
		let version = version_of(&[]);
		let good = generation(&artist(), version, POEM);
		let refuse = |receipt: Receipt, disclosure, error: Error<Test>| {
			assert_noop!(
				Artworks::register(
					signed_by(&artist()),
					"Title".try_into().unwrap(),
					POEM.into(),
					disclosure,
					Some(receipt),
				),
				error
			);
		};

		let mut other = good.clone();
		other.genesis = Hash::repeat_byte(9);
		refuse(
			signed(other),
			Disclosure::AiAssisted,
			Error::ReceiptFromAnotherChain,
		);

		let mut other = good.clone();
		other.asker = buyer();
		refuse(signed(other), Disclosure::AiAssisted, Error::NotTheAsker);

		let mut other = good.clone();
		other.version = Hash::repeat_byte(9);
		refuse(signed(other), Disclosure::AiAssisted, Error::UnknownVersion);

		let mut other = good.clone();
		other.tokenizer = Hash::repeat_byte(9);
		refuse(
			signed(other),
			Disclosure::AiAssisted,
			Error::ReceiptMismatch,
		);

		let mut other = good.clone();
		other.numeric_spec = 2;
		refuse(
			signed(other),
			Disclosure::AiAssisted,
			Error::ReceiptMismatch,
		);

		let mut other = good.clone();
		other.output = hash("another answer");
		refuse(
			signed(other),
			Disclosure::AiGenerated,
			Error::OutputMismatch,
		);

		let mut other = good.clone();
		other.server = account(5);
		refuse(signed(other), Disclosure::AiAssisted, Error::UnknownServer);

		refuse(
			signed(good.clone()),
			Disclosure::Human,
			Error::ContradictoryDisclosure,
		);

		// Every field is under the signature.
		let mut forged = signed(good.clone());
		forged.generation.seed = Hash::repeat_byte(9);
		refuse(forged, Disclosure::AiGenerated, Error::BadReceiptSignature);

		let stranger = llmchain_primitives::key::TrainerPair::from_seed(&[9; 32]);
		let signature = stranger.sign(&good.signing_bytes());
		refuse(
			Receipt {
				generation: good.clone(),
				signature,
			},
			Disclosure::AiGenerated,
			Error::BadReceiptSignature,
		);

		register(&artist(), POEM, Disclosure::AiGenerated, Some(signed(good)));
	});
}

#[test]
fn an_answer_is_generated_only_byte_by_byte() {
	run(|| {
		let version = version_of(&[]);
		let receipt = signed(generation(&artist(), version, POEM));
		// The same text with a line feed more is another file: an edit, however small.
		let file = format!("{POEM}\n");
		assert_noop!(
			Artworks::register(
				signed_by(&artist()),
				"Title".try_into().unwrap(),
				file.clone().into(),
				Disclosure::AiGenerated,
				Some(receipt.clone()),
			),
			Error::<Test>::OutputMismatch
		);
		register(&artist(), &file, Disclosure::AiAssisted, Some(receipt));
	});
}

#[test]
fn a_claimant_pays_a_deposit_for_each_work() {
	run(|| {
		let reason = HoldReason::WorkDeposit.into();
		register(&artist(), "one", Disclosure::Human, None);
		register(&artist(), "two", Disclosure::Human, None);
		assert_eq!(
			Balances::balance_on_hold(&reason, &artist()),
			2 * WORK_DEPOSIT
		);

		let poor = account(9);
		assert_ok!(Balances::transfer_allow_death(
			signed_by(&artist()),
			poor.clone(),
			WORK_DEPOSIT + EXISTENTIAL_DEPOSIT - 1
		));
		assert_noop!(
			Artworks::register(
				signed_by(&poor),
				"Title".try_into().unwrap(),
				"three".into(),
				Disclosure::Human,
				None,
			),
			Error::<Test>::CannotPayDeposit
		);
		assert_ok!(Balances::transfer_allow_death(
			signed_by(&artist()),
			poor.clone(),
			1
		));
		register(&poor, "three", Disclosure::Human, None);
	});
}
