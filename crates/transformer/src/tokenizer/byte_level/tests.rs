//! Learning against a naive second implementation and the library's trainer, the same bytes everywhere, files that lie.

use proptest::prelude::*;
use tokenizers::models::bpe::{BpeTrainer, BPE};
use tokenizers::Trainer as _;

use super::*;
use crate::tokenizer::{Tokenizer, BOS, EOS};

const TEXTS: [&str; 4] = [
	"the cat sat on the mat; the other cat sat on that cat.\n\n  the end",
	"床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。",
	"Banana bandana, banana bandana!  1234 12345 'tis he'll they're",
	"naïve café — naïve café — 😀😀😀",
];

fn file(max_vocab: u32) -> Vec<u8> {
	train_byte_level(&TEXTS, max_vocab).unwrap()
}

fn edited(from: &str, to: &str) -> Result<Tokenizer> {
	let file = String::from_utf8(file(300)).unwrap();
	assert!(file.contains(from), "{from}");
	Tokenizer::from_bytes(file.replacen(from, to, 1).as_bytes())
}

fn defect(result: Result<Tokenizer>) -> TokenizerDefect {
	match result {
		Err(Error::BadTokenizer { defect }) => defect,
		other => panic!("{:?}", other.map(|tokenizer| tokenizer.vocab_size())),
	}
}

/// The merges of `file`, as strings.
fn merges(file: &[u8]) -> Vec<(String, String)> {
	let file: Value = serde_json::from_slice(file).unwrap();
	let merges = file["model"]["merges"].as_array().unwrap();
	let part = |merge: &Value, i: usize| merge[i].as_str().unwrap().to_string();
	merges
		.iter()
		.map(|merge| (part(merge, 0), part(merge, 1)))
		.collect()
}

/// Words of `texts`, cut by the library.
fn words(texts: &[&str]) -> HashMap<String, u64> {
	use tokenizers::pre_tokenizers::byte_level::ByteLevel;
	use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};
	let mut words = HashMap::new();
	for text in texts {
		let mut cut = PreTokenizedString::from(*text);
		ByteLevel::new(false, true, true)
			.pre_tokenize(&mut cut)
			.unwrap();
		for (word, _, _) in cut.get_splits(OffsetReferential::Normalized, OffsetType::None) {
			*words.entry(word.to_string()).or_default() += 1;
		}
	}
	words
}

/// Counts everything anew for each merge.
fn naive(texts: &[&str], limit: usize) -> Vec<(String, String)> {
	let order: HashMap<char, u32> = symbols().into_iter().zip(0..).collect();
	let mut words: Vec<(Vec<String>, u64)> = words(texts)
		.into_iter()
		.map(|(word, count)| (word.chars().map(String::from).collect(), count))
		.collect();
	let mut tokens: Vec<String> = symbols().iter().map(char::to_string).collect();
	let mut merges = Vec::new();
	while merges.len() < limit {
		let mut counts: HashMap<(String, String), u64> = HashMap::new();
		for (word, count) in &words {
			for two in word.windows(2) {
				*counts.entry((two[0].clone(), two[1].clone())).or_default() += count;
			}
		}
		let rank = |token: &String| match token.chars().count() {
			1 => order[&token.chars().next().unwrap()],
			_ => tokens.iter().position(|other| other == token).unwrap() as u32,
		};
		let best = counts
			.into_iter()
			.filter(|((left, right), count)| {
				*count >= 2 && !tokens.contains(&format!("{left}{right}"))
			})
			.min_by_key(|((left, right), count)| (u64::MAX - count, rank(left), rank(right)));
		let Some(((left, right), _)) = best else {
			break;
		};
		let whole = format!("{left}{right}");
		for (word, _) in &mut words {
			let mut merged: Vec<String> = Vec::new();
			let mut i = 0;
			while i < word.len() {
				let here = word[i] == left && word.get(i + 1) == Some(&right);
				merged.push(if here { whole.clone() } else { word[i].clone() });
				i += 1 + usize::from(here);
			}
			*word = merged;
		}
		tokens.push(whole);
		merges.push((left, right));
	}
	merges
}

#[test]
fn learns_what_counting_anew_each_time_learns() {
	let got = merges(&file(400));
	assert!(got.len() > 40, "{}", got.len());
	assert_eq!(got, naive(&TEXTS, 140));
}

#[test]
fn learns_as_many_good_pairs_as_the_library() {
	// Its ties go to the pair of lower ids as well, but its bytes are in the order of their characters.
	let text = "abab abab abab cdcd cdcd efef";
	let mut trainer = BpeTrainer::builder()
		.show_progress(false)
		.vocab_size(12)
		.min_frequency(2)
		.build();
	let mut model = BPE::default();
	trainer
		.feed([text].iter(), |text| {
			Ok(text.split(' ').map(String::from).collect())
		})
		.unwrap();
	trainer.train(&mut model).unwrap();
	let learned = merges(&train_byte_level(&[text], FIRST_MERGE + 30).unwrap());
	let learned: Vec<String> = learned
		.iter()
		.map(|(left, right)| format!("{left}{right}"))
		.collect();
	use tokenizers::Model;
	for token in ["ab", "abab", "cd", "ef"] {
		assert!(model.token_to_id(token).is_some(), "{token}");
		assert!(
			learned
				.iter()
				.any(|got| got == token || got == &format!("Ġ{token}")),
			"{token}: {learned:?}"
		);
	}
}

#[test]
fn every_text_comes_back_and_is_shorter() {
	let tokenizer = Tokenizer::from_bytes(&file(400)).unwrap();
	for text in TEXTS.iter().chain(&["never seen: ζ\u{0}\r\n\t🦀"]) {
		let tokens = tokenizer.encode(text).unwrap();
		assert_eq!(tokenizer.decode(&tokens).unwrap(), *text);
		let bytes: Vec<u8> = tokens
			.iter()
			.flat_map(|token| tokenizer.piece(*token).to_vec())
			.collect();
		assert_eq!(bytes, text.as_bytes());
	}
	let tokens = tokenizer.encode(TEXTS[0]).unwrap();
	assert!(tokens.len() * 2 < TEXTS[0].len(), "{}", tokens.len());
	let document = tokenizer.encode_document("cat<|eos|>").unwrap();
	assert_eq!((document[0], *document.last().unwrap()), (BOS, EOS));
	assert!(document[1..document.len() - 1]
		.iter()
		.all(|token| *token > 3));
}

#[test]
fn the_general_library_reads_the_file_alike() {
	let file = file(400);
	let general = tokenizers::Tokenizer::from_bytes(&file).unwrap();
	let own = Tokenizer::from_bytes(&file).unwrap();
	for text in TEXTS {
		let encoding = general.encode(text, false).unwrap();
		assert_eq!(encoding.get_ids(), own.encode(text).unwrap());
	}
	assert_eq!(general.token_to_id("<|eos|>"), Some(EOS));
	assert_eq!(general.get_vocab_size(true), own.vocab_size() as usize);
}

/// FNV-1a, to name a file in a test.
fn fingerprint(bytes: &[u8]) -> u64 {
	bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
		(hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
	})
}

/// Changes only on purpose: a chain pins roots of such files.
const FROZEN: u64 = 0xd230_3d75_8d64_429d;

#[test]
fn the_file_is_frozen() {
	let file = String::from_utf8(file(300)).unwrap();
	assert!(
		file.contains("      \"<|unk|>\": 3,\n      \"!\": 4,\n"),
		"{file}"
	);
	assert!(file.ends_with("\"]\n    ]\n  }\n}\n"), "{file}");
	assert_eq!(fingerprint(file.as_bytes()), FROZEN);
}

#[test]
fn threads_and_the_order_of_texts_change_nothing() {
	let want = file(350);
	let mut reversed = TEXTS;
	reversed.reverse();
	// Each thread has hash seeds of its own.
	let threads: Vec<_> = (0..4)
		.map(|i| {
			let texts = if i % 2 == 0 { TEXTS } else { reversed };
			std::thread::spawn(move || train_byte_level(&texts, 350).unwrap())
		})
		.collect();
	for thread in threads {
		assert!(thread.join().unwrap() == want);
	}
	for threads in 1..=3 {
		let pool = rayon::ThreadPoolBuilder::new()
			.num_threads(threads)
			.build()
			.unwrap();
		assert!(pool.install(|| file(350)) == want, "{threads} threads");
	}
}

#[test]
fn other_processes_write_the_same_bytes() {
	let here = format!("fingerprint {:016x}", fingerprint(&file(350)));
	println!("{here}");
	// The test starts itself; a child starts nobody.
	const CHILD: &str = "TRANSFORMER_TEST_CHILD";
	if std::env::var_os(CHILD).is_some() {
		return;
	}
	let name = "tokenizer::byte_level::tests::other_processes_write_the_same_bytes";
	for threads in ["1", "2", "4"] {
		let child = std::process::Command::new(std::env::current_exe().unwrap())
			.args(["--exact", name, "--nocapture"])
			.env(CHILD, "1")
			.env("RAYON_NUM_THREADS", threads)
			.output()
			.unwrap();
		let said = String::from_utf8_lossy(&child.stdout);
		assert!(child.status.success() && said.contains(&here), "{said}");
	}
}

#[test]
fn sizes_are_kept_and_refused() {
	let loaded = Tokenizer::from_bytes(&file(290)).unwrap();
	assert_eq!(loaded.vocab_size(), 290);
	// No pair is left that occurs twice.
	let few = train_byte_level(&["abcdefg"], 1000).unwrap();
	assert_eq!(
		Tokenizer::from_bytes(&few).unwrap().vocab_size(),
		FIRST_MERGE
	);
	let error = Error::VocabularySize {
		got: 259,
		min: 260,
		max: MAX_BYTE_LEVEL_VOCAB,
	};
	assert_eq!(train_byte_level(&TEXTS, 259), Err(error));
	assert_eq!(train_byte_level(&["", ""], 300), Err(Error::NoCharacters));
	// A long run makes long tokens, but not for ever.
	let run = "-".repeat(20_000);
	let tokenizer = Tokenizer::from_bytes(&train_byte_level(&[&run], 400).unwrap()).unwrap();
	let longest = (0..tokenizer.vocab_size()).map(|token| tokenizer.piece(token).len());
	assert!(longest.max().unwrap() <= 48);
	assert_eq!(
		tokenizer.decode(&tokenizer.encode(&run).unwrap()).unwrap(),
		run
	);
}

#[test]
fn files_that_lie_are_named() {
	assert_eq!(
		defect(edited("\"use_regex\": true", "\"use_regex\": false")),
		TokenizerDefect::NotByteLevel
	);
	assert_eq!(
		defect(edited("\"dropout\": null", "\"dropout\": 0.5")),
		TokenizerDefect::NotByteLevel
	);
	assert_eq!(
		defect(edited(
			"\"normalizer\": null",
			"\"normalizer\": {\"type\": \"NFC\"}"
		)),
		TokenizerDefect::NotByteLevel
	);
	assert_eq!(
		defect(edited("\"!\": 4", "\"!!!!\": 4")),
		TokenizerDefect::NotBytes { id: 4 }
	);
	assert_eq!(defect(edited("\": 270", "\": 271")), TokenizerDefect::Ids);
	assert_eq!(
		defect(edited("\"<|eos|>\": 2", "\"<|end|>\": 2")),
		TokenizerDefect::SpecialTokens
	);
	let text = String::from_utf8(file(300)).unwrap();
	let first = text.find("      [\"").unwrap();
	let end = first + text[first..].find('\n').unwrap();
	let twice = [&text[..end], "\n", &text[first..]].concat();
	assert_eq!(
		defect(Tokenizer::from_bytes(twice.as_bytes())),
		TokenizerDefect::Merge { index: 1 }
	);
	let stranger = [&text[..first], "      [\"zq\", \"z\"]", &text[end - 1..]].concat();
	assert_eq!(
		defect(Tokenizer::from_bytes(stranger.as_bytes())),
		TokenizerDefect::Merge { index: 0 }
	);
}

/// A file as GPT-2's: bytes first, merges after, the one special token last.
fn gpt2_like() -> String {
	let own: Value = serde_json::from_slice(&file(300)).unwrap();
	let mut keys: Vec<(u64, String)> = own["model"]["vocab"]
		.as_object()
		.unwrap()
		.iter()
		.map(|(key, id)| (id.as_u64().unwrap(), key.clone()))
		.collect();
	keys.sort();
	let vocab: serde_json::Map<String, Value> = keys[4..]
		.iter()
		.enumerate()
		.map(|(id, (_, key))| (key.clone(), json!(id)))
		.chain([("<|endoftext|>".to_string(), json!(296))])
		.collect();
	let merges: Vec<Value> = own["model"]["merges"]
		.as_array()
		.unwrap()
		.iter()
		.map(|merge| {
			json!(format!(
				"{} {}",
				merge[0].as_str().unwrap(),
				merge[1].as_str().unwrap()
			))
		})
		.collect();
	json!({
		"version": "1.0", "truncation": null, "padding": null,
		"added_tokens": [{
			"id": 296, "content": "<|endoftext|>", "single_word": false, "lstrip": false,
			"rstrip": false, "normalized": true, "special": true,
		}],
		"normalizer": null,
		"pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true },
		"post_processor": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false },
		"decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true },
		"model": {
			"dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
			"fuse_unk": false, "type": "BPE", "vocab": vocab, "merges": merges,
		},
	})
	.to_string()
}

#[test]
fn gpt2s_own_form_is_read_where_a_model_of_others_is() {
	let file = gpt2_like();
	let end = Some(296);
	let theirs = Tokenizer::from_gpt2_bytes(file.as_bytes(), end, end).unwrap();
	let general = tokenizers::Tokenizer::from_bytes(&file).unwrap();
	for text in TEXTS {
		let tokens = theirs.encode(text).unwrap();
		assert_eq!(general.encode(text, false).unwrap().get_ids(), tokens);
		assert_eq!(theirs.decode(&tokens).unwrap(), text);
	}
	assert_eq!(theirs.encode_document("a").unwrap().len(), 3);
	assert_eq!(theirs.specials().end, end);
	assert_eq!(theirs.specials().never, Vec::<u32>::new());
	// A chain's model may not have it.
	assert_eq!(
		defect(Tokenizer::from_bytes(file.as_bytes())),
		TokenizerDefect::SpecialTokens
	);
	let error = Error::TokenOutOfVocabulary {
		token: 297,
		vocab_size: 297,
	};
	assert_eq!(
		Tokenizer::from_gpt2_bytes(file.as_bytes(), None, Some(297)).map(|_| ()),
		Err(error)
	);
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	#[test]
	fn any_text_comes_back(text in "[\\s\\S]{0,60}") {
		let tokenizer = Tokenizer::from_bytes(&file(350)).unwrap();
		prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), text);
	}

	#[test]
	fn learning_any_text_agrees_with_counting_anew(text in "[ab ]{2,40}") {
		prop_assert_eq!(merges(&train_byte_level(&[&text], 272).unwrap()), naive(&[&text], 12));
	}

	#[test]
	fn a_damaged_file_loads_or_fails_without_panic(at in 0_usize..1 << 20, byte in any::<u8>()) {
		let mut file = file(290);
		let at = at % file.len();
		file[at] = byte;
		let _ = Tokenizer::from_bytes(&file);
		let _ = Tokenizer::from_gpt2_bytes(&file, None, None);
	}
}
