//! Vocabularies, round trips and files that lie.

use proptest::prelude::*;

use super::*;

const POEMS: [&str; 2] = ["床前明月光，\n疑是地上霜。", "举头望明月，\n低头思故乡。"];

fn tokenizer() -> Tokenizer {
	Tokenizer::from_bytes(&train_characters(&POEMS, 100).unwrap()).unwrap()
}

/// The file with one string replaced.
fn edited(from: &str, to: &str) -> Result<Tokenizer> {
	let file = String::from_utf8(train_characters(&POEMS, 100).unwrap()).unwrap();
	assert!(file.contains(from), "{from}");
	Tokenizer::from_bytes(file.replace(from, to).as_bytes())
}

fn defect(result: Result<Tokenizer>) -> TokenizerDefect {
	match result {
		Err(Error::BadTokenizer { defect }) => defect,
		other => panic!("{:?}", other.map(|tokenizer| tokenizer.vocab_size())),
	}
}

#[test]
fn orders_by_count_then_code_point() {
	let file = train_characters(&["bbba", "cca"], 100).unwrap();
	let tokenizer = Tokenizer::from_bytes(&file).unwrap();
	assert_eq!(tokenizer.vocab_size(), 7);
	assert_eq!(tokenizer.encode("bac").unwrap(), [4, 5, 6]);
	// The order of texts does not matter, the size cuts the tail.
	assert_eq!(train_characters(&["cca", "bbba"], 100).unwrap(), file);
	let two = Tokenizer::from_bytes(&train_characters(&["bbba", "cca"], 6).unwrap()).unwrap();
	assert_eq!(two.encode("bac").unwrap(), [4, 5, UNK]);
}

#[test]
fn the_file_is_frozen() {
	let file = String::from_utf8(train_characters(&["a\n\"", "a"], 100).unwrap()).unwrap();
	let vocabulary = "    \"vocab\": {\n      \"<|pad|>\": 0,\n      \"<|bos|>\": 1,\n      \"<|eos|>\": 2,\n      \
		\"<|unk|>\": 3,\n      \"a\": 4,\n      \"\\n\": 5,\n      \"\\\"\": 6\n    },";
	assert!(file.contains(vocabulary), "{file}");
	assert!(file.starts_with("{\n  \"version\": \"1.0\",\n  \"truncation\": null,"));
	assert!(file.ends_with("    \"unk_token\": \"<|unk|>\"\n  }\n}\n"));
	// FNV-1a of a whole file, computed by a second implementation of this form; a chain pins roots of such files.
	let file = train_characters(&POEMS, 100).unwrap();
	let fingerprint = file.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
		(hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
	});
	assert_eq!(fingerprint, 0xc67a_04c6_972d_d000);
}

#[test]
fn known_characters_come_back_newlines_included() {
	let tokenizer = tokenizer();
	for poem in POEMS {
		let tokens = tokenizer.encode(poem).unwrap();
		assert_eq!(tokens.len(), poem.chars().count());
		assert!(tokens.iter().all(|token| *token > UNK));
		assert_eq!(tokenizer.decode(&tokens).unwrap(), poem);
		let document = tokenizer.encode_document(poem).unwrap();
		assert_eq!((document[0], document[document.len() - 1]), (BOS, EOS));
		assert_eq!(tokenizer.decode(&document).unwrap(), poem);
	}
	assert_eq!(tokenizer.encode("").unwrap(), Vec::<u32>::new());
	assert_eq!(tokenizer.encode("月z月").unwrap()[1], UNK);
}

#[test]
fn special_tokens_in_a_text_are_text() {
	let tokens = tokenizer().encode("月<|eos|>月").unwrap();
	assert_eq!(tokens.len(), 9);
	assert!(tokens[1..8].iter().all(|token| *token == UNK));
}

#[test]
fn the_general_library_reads_the_file_alike() {
	let file = train_characters(&POEMS, 100).unwrap();
	let general = tokenizers::Tokenizer::from_bytes(&file).unwrap();
	let encoding = general.encode(POEMS[0], false).unwrap();
	assert_eq!(encoding.get_ids(), tokenizer().encode(POEMS[0]).unwrap());
	assert_eq!(general.token_to_id("<|eos|>"), Some(EOS));
}

#[test]
fn files_that_lie_are_named() {
	assert_eq!(
		defect(Tokenizer::from_bytes(b"no json")),
		TokenizerDefect::Unreadable
	);
	assert_eq!(
		defect(Tokenizer::from_bytes(b"{}")),
		TokenizerDefect::NotCharacterLevel
	);
	let pattern = edited("[\\\\s\\\\S]", "(a*)*b");
	assert_eq!(defect(pattern), TokenizerDefect::NotCharacterLevel);
	let fuse = edited("\"Fuse\"", "\"ByteFallback\"");
	assert_eq!(defect(fuse), TokenizerDefect::NotCharacterLevel);
	assert_eq!(
		defect(edited("\"id\": 2", "\"id\": 7")),
		TokenizerDefect::SpecialTokens
	);
	assert_eq!(
		defect(edited("\"<|eos|>\": 2", "\"<|end|>\": 2")),
		TokenizerDefect::SpecialTokens
	);
	assert_eq!(defect(edited("\": 5,", "\": 6,")), TokenizerDefect::Ids);
	assert_eq!(defect(edited("\": 5,", "\": 5000,")), TokenizerDefect::Ids);
	assert_eq!(defect(edited("\": 5,", "\": -5,")), TokenizerDefect::Ids);
	assert_eq!(
		defect(edited("\"月\"", "\"月光\"")),
		TokenizerDefect::NotACharacter { id: 8 }
	);
	let large = vec![b' '; MAX_BYTES + 1];
	assert_eq!(
		defect(Tokenizer::from_bytes(&large)),
		TokenizerDefect::TooLarge { got: large.len() }
	);
}

#[test]
fn refuses_what_cannot_be_a_vocabulary() {
	let error = Error::VocabularySize {
		got: 4,
		min: 5,
		max: MAX_VOCAB,
	};
	assert_eq!(train_characters(&POEMS, 4), Err(error));
	assert_eq!(train_characters(&["", ""], 100), Err(Error::NoCharacters));
	let tokenizer = tokenizer();
	let vocab_size = tokenizer.vocab_size();
	let error = Error::TokenOutOfVocabulary {
		token: vocab_size,
		vocab_size,
	};
	assert_eq!(tokenizer.decode(&[vocab_size]), Err(error));
}

proptest! {
	#[test]
	fn any_text_comes_back_from_its_own_vocabulary(text in "\\PC{1,60}|[\\s\\S]{1,30}") {
		let tokenizer = Tokenizer::from_bytes(&train_characters(&[&text], MAX_VOCAB).unwrap()).unwrap();
		let tokens = tokenizer.encode(&text).unwrap();
		prop_assert_eq!(tokens.len(), text.chars().count());
		prop_assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
	}

	#[test]
	fn any_bytes_load_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
		let _ = Tokenizer::from_bytes(&bytes);
	}

	#[test]
	fn a_damaged_file_loads_or_fails_without_panic(at in 0_usize..5000, byte in any::<u8>()) {
		let mut file = train_characters(&POEMS, 100).unwrap();
		let at = at % file.len();
		file[at] = byte;
		let _ = Tokenizer::from_bytes(&file);
	}
}
