//! A `tokenizer.json` of a stranger: read or refused; what is read takes any text, and gives byte-level text back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transformer::Tokenizer;

const TEXTS: [&str; 3] = ["a", "ab ba  c\n<|eos|>", "月 é\u{0}🦀"];

fuzz_target!(|bytes: &[u8]| {
	if let Ok(own) = Tokenizer::from_bytes(bytes) {
		for text in TEXTS {
			let tokens = own.encode(text).expect("any text has tokens");
			assert!(tokens.iter().all(|token| *token < own.vocab_size()));
			own.decode(&tokens).expect("its tokens have a text");
		}
	}
	if let Ok(theirs) = Tokenizer::from_gpt2_bytes(bytes, None, None) {
		for text in TEXTS {
			let tokens = theirs.encode(text).expect("any text has tokens");
			assert_eq!(theirs.decode(&tokens).as_deref(), Ok(text));
		}
	}
});
