//! There and back to the same bits, the same bytes each time, and folders that lie.

use proptest::prelude::*;
use serde_json::{json, Value};

use super::*;
use crate::config::Config;
use crate::init::init;
use crate::tokenizer::{train_byte_level, train_characters};

const TEXT: &str = "the quick brown fox jumps over the lazy dog; the dog sleeps";
const SAMPLING: Sampling = Sampling {
	temperature_milli: 800,
	top_k: 50,
	top_p_milli: 950,
	max_tokens: 64,
};

fn tokenizer() -> Vec<u8> {
	train_byte_level(&[TEXT], 280).unwrap()
}

fn model(vocab_size: u32) -> Parameters {
	let config = Config::from_array([vocab_size, 12, 2, 2, 8, 20]);
	init(config, [4; 32]).unwrap()
}

fn card() -> Card {
	Card {
		name: "Quatrains | of\nTang".into(),
		licence: "cc0-1.0".into(),
		languages: vec!["zh".into()],
		text: "Written by *nobody*.".into(),
		facts: vec![("root".into(), "0x12|34".into())],
	}
}

fn size(tokenizer: &[u8]) -> u32 {
	Tokenizer::from_bytes(tokenizer).unwrap().vocab_size()
}

fn folder() -> (Parameters, Folder) {
	let tokenizer = tokenizer();
	let model = model(size(&tokenizer));
	let folder = export(&model, &tokenizer, &SAMPLING, &card()).unwrap();
	(model, folder)
}

/// The folder with fields of its configuration replaced; null takes a field out.
fn configured(fields: &[(&str, Value)]) -> Result<Imported> {
	let (_, mut folder) = folder();
	let mut config: Value = serde_json::from_slice(&folder[CONFIG]).unwrap();
	for (field, value) in fields {
		match value {
			Value::Null => {
				config.as_object_mut().unwrap().remove(*field);
			}
			value => config[*field] = value.clone(),
		}
	}
	folder.insert(CONFIG.into(), config.to_string().into_bytes());
	import(&folder)
}

fn defect(result: Result<Imported>) -> (&'static str, FileDefect) {
	match result {
		Err(Error::BadFile { file, defect }) => (file, defect),
		other => panic!("{other:?}"),
	}
}

/// The tensors of a container, by name, with bytes.
type Tensors = BTreeMap<String, (String, Vec<usize>, Vec<u8>)>;

fn unpack(bytes: &[u8]) -> Tensors {
	let tensors = safetensors::read(bytes).unwrap().into_iter();
	tensors
		.map(|(name, tensor)| {
			let row = (tensor.kind.to_string(), tensor.shape, tensor.bytes.to_vec());
			(name, row)
		})
		.collect()
}

fn pack(tensors: &Tensors) -> Vec<u8> {
	let mut header = serde_json::Map::new();
	let mut data = Vec::new();
	for (name, (kind, shape, bytes)) in tensors {
		let start = data.len();
		data.extend_from_slice(bytes);
		header.insert(
			name.clone(),
			json!({ "dtype": kind, "shape": shape, "data_offsets": [start, data.len()] }),
		);
	}
	let header = Value::Object(header).to_string().into_bytes();
	[&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

/// The folder with its tensors changed.
fn with_tensors(change: impl FnOnce(&mut Tensors)) -> Result<Imported> {
	let (_, mut folder) = folder();
	let mut tensors = unpack(&folder[MODEL]);
	change(&mut tensors);
	folder.insert(MODEL.into(), pack(&tensors));
	import(&folder)
}

#[test]
fn a_model_comes_back_bit_by_bit_and_the_bytes_are_the_same_each_time() {
	let (model, folder) = folder();
	let back = import(&folder).unwrap();
	assert_eq!(back.parameters, model);
	assert_eq!((back.begin, back.end), (Some(1), Some(2)));
	let read = back.tokenizer.unwrap();
	assert_eq!(read.decode(&read.encode(TEXT).unwrap()).unwrap(), TEXT);
	let again = export(&back.parameters, &tokenizer(), &SAMPLING, &card()).unwrap();
	assert!(again == folder);
	let names: Vec<&str> = folder.keys().map(String::as_str).collect();
	assert_eq!(
		names,
		[
			README,
			CONFIG,
			GENERATION_CONFIG,
			MODEL,
			SPECIAL_TOKENS_MAP,
			TOKENIZER,
			TOKENIZER_CONFIG
		]
	);
	for name in &names[1..] {
		if *name != MODEL {
			serde_json::from_slice::<Value>(&folder[*name]).unwrap();
		}
	}
}

#[test]
fn the_character_level_tokenizer_travels_as_well() {
	let tokenizer = train_characters(&[TEXT], 100).unwrap();
	let model = model(size(&tokenizer));
	let folder = export(&model, &tokenizer, &SAMPLING, &Card::default()).unwrap();
	let back = import(&folder).unwrap();
	let read = back.tokenizer.unwrap();
	assert_eq!(read.encode("dog").unwrap().len(), 3);
}

#[test]
fn tensors_have_the_names_and_shapes_of_others() {
	let (model, folder) = folder();
	let tensors = unpack(&folder[MODEL]);
	assert_eq!(tensors.len(), 2 + 2 * 12 + 2);
	let (kind, shape, bytes) = &tensors["transformer.h.1.attn.c_attn.weight"];
	assert_eq!((kind.as_str(), &shape[..]), ("F32", &[8, 24][..]));
	let ours = model.tensor("h.1.attn.c_attn.weight").unwrap();
	assert_eq!(bytes[4..8], ours[[0, 1]].to_le_bytes());
}

#[test]
fn the_card_quotes_what_others_wrote() {
	let (_, folder) = folder();
	let card = String::from_utf8(folder[README].clone()).unwrap();
	assert!(card.starts_with("---\nlicense: \"cc0-1.0\"\nlanguage:\n- \"zh\"\n"));
	assert!(card.contains("\n# Quatrains \\| of Tang\n"), "{card}");
	assert!(card.contains("| root | 0x12\\|34 |"), "{card}");
	assert!(card.contains("| parameters | "), "{card}");
}

#[test]
fn generation_defaults_say_what_is_never_chosen() {
	let (_, folder) = folder();
	let read: Value = serde_json::from_slice(&folder[GENERATION_CONFIG]).unwrap();
	assert_eq!(read["suppress_tokens"], json!([0, 1, 3]));
	assert_eq!(read["temperature"], json!(0.8));
	assert_eq!(read["top_p"], json!(0.95));
	let greedy = Sampling {
		temperature_milli: 0,
		..SAMPLING
	};
	let tokenizer = tokenizer();
	let folder = export(
		&model(size(&tokenizer)),
		&tokenizer,
		&greedy,
		&Card::default(),
	);
	let read: Value = serde_json::from_slice(&folder.unwrap()[GENERATION_CONFIG]).unwrap();
	assert_eq!(read["do_sample"], json!(false));
	assert_eq!(read["temperature"], Value::Null);
}

#[test]
fn a_vocabulary_of_another_size_is_refused_on_both_ways() {
	let tokenizer = tokenizer();
	let n = size(&tokenizer);
	let error = Error::VocabularyMismatch {
		tokenizer: n,
		model: n + 1,
	};
	let other = export(&model(n + 1), &tokenizer, &SAMPLING, &card());
	assert_eq!(other, Err(error.clone()));
	let (_, mut folder) = folder();
	let smaller = train_characters(&["abc"], 100).unwrap();
	folder.insert(TOKENIZER.into(), smaller);
	let error = Error::VocabularyMismatch {
		tokenizer: 7,
		model: n,
	};
	assert_eq!(import(&folder).map(|_| ()), Err(error));
	// Without a tokenizer the numbers stand alone.
	folder.remove(TOKENIZER);
	assert!(import(&folder).unwrap().tokenizer.is_none());
}

#[test]
fn a_missing_file_is_named() {
	for name in [CONFIG, MODEL] {
		let (_, mut folder) = folder();
		folder.remove(name);
		assert_eq!(defect(import(&folder)), (name, FileDefect::Missing));
	}
}

#[test]
fn another_computation_is_refused_by_its_field() {
	for (field, value) in [
		("model_type", json!("gpt_neox")),
		("activation_function", json!("relu")),
		("layer_norm_epsilon", json!(1e-6)),
		("layer_norm_epsilon", json!("x")),
		("scale_attn_weights", json!(false)),
		("scale_attn_by_inverse_layer_idx", json!(true)),
		("tie_word_embeddings", json!(false)),
		("add_cross_attention", json!(true)),
		("n_head", json!(-1)),
		("n_layer", json!(1_u64 << 40)),
		("bos_token_id", json!("x")),
	] {
		let (file, error) = defect(configured(&[(field, value.clone())]));
		match error {
			FileDefect::Field {
				field: named, got, ..
			} => assert_eq!((file, named, got), (CONFIG, field, value.to_string())),
			other => panic!("{field}: {other:?}"),
		}
	}
	// What changes nothing is read over, what is absent has its default.
	let other = [
		("activation_function", json!("gelu_pytorch_tanh")),
		("scale_attn_weights", Value::Null),
		("layer_norm_epsilon", Value::Null),
		("eos_token_id", json!([2, 5])),
		("some_new_field", json!({ "a": 1 })),
	];
	assert_eq!(configured(&other).unwrap().end, Some(2));
	let error = Error::HeadsDoNotDivide {
		d_model: 8,
		n_heads: 3,
	};
	assert_eq!(configured(&[("n_head", json!(3))]).map(|_| ()), Err(error));
	let outside = configured(&[("eos_token_id", json!(5000))]);
	assert!(matches!(
		outside,
		Err(Error::TokenOutOfVocabulary { token: 5000, .. })
	));
	// A model that no file holds allocates nothing.
	let huge = [
		("n_embd", json!(4096)),
		("n_head", json!(2)),
		("n_inner", json!(4096)),
	];
	let (file, error) = defect(configured(&huge));
	assert_eq!(file, MODEL);
	assert!(matches!(error, FileDefect::Shape { .. }), "{error:?}");
}

#[test]
fn configurations_that_are_none_are_named() {
	let (_, mut folder) = folder();
	for (bytes, error) in [
		(b"{".to_vec(), FileDefect::NotJson { line: 1, column: 1 }),
		(b"[]".to_vec(), FileDefect::NotAnObject),
		(
			vec![b' '; (1 << 16) + 1],
			FileDefect::TooLarge {
				got: (1 << 16) + 1,
				max: 1 << 16,
			},
		),
	] {
		folder.insert(CONFIG.into(), bytes);
		assert_eq!(defect(import(&folder)), (CONFIG, error));
	}
}

#[test]
fn tensors_that_do_not_fit_are_named() {
	const NAME: &str = "transformer.h.0.mlp.c_fc.weight";
	let wrong = |change: &dyn Fn(&mut Tensors)| {
		let (file, error) = defect(with_tensors(|tensors| change(tensors)));
		assert_eq!(file, MODEL);
		error
	};
	let tensor = NAME.to_string();
	let missing = wrong(&|tensors| {
		tensors.remove(NAME);
	});
	assert_eq!(missing, FileDefect::MissingTensor { tensor });
	let tensor = NAME.to_string();
	let shape = wrong(&|tensors| tensors.get_mut(NAME).unwrap().1 = vec![20, 8]);
	assert_eq!(
		shape,
		FileDefect::Shape {
			tensor,
			expected: vec![8, 20],
			got: vec![20, 8]
		}
	);
	let tensor = NAME.to_string();
	let kind = wrong(&|tensors| tensors.get_mut(NAME).unwrap().0 = "I32".into());
	let got = "I32".into();
	assert_eq!(kind, FileDefect::Kind { tensor, got });
	let tensor = NAME.to_string();
	let infinite = wrong(&|tensors| {
		tensors.get_mut(NAME).unwrap().2[12..16].copy_from_slice(&f32::NAN.to_le_bytes());
	});
	let value = "NaN".into();
	let index = 3;
	assert_eq!(
		infinite,
		FileDefect::NotFinite {
			tensor,
			index,
			value
		}
	);
	let stranger = ("F32".to_string(), vec![1], vec![0; 4]);
	let unexpected = wrong(&|tensors| {
		tensors.insert("transformer.h.0.lora.weight".into(), stranger.clone());
	});
	let tensor = "transformer.h.0.lora.weight".into();
	assert_eq!(unexpected, FileDefect::UnexpectedTensor { tensor });
	let other_head = wrong(&|tensors| {
		let mut head = tensors["transformer.wte.weight"].clone();
		head.2[5] ^= 1;
		tensors.insert("lm_head.weight".into(), head);
	});
	assert_eq!(other_head, FileDefect::HeadNotTied);
}

#[test]
fn what_other_savers_add_or_leave_out_is_accepted() {
	let (model, _) = folder();
	let read = with_tensors(|tensors| {
		let head = tensors["transformer.wte.weight"].clone();
		let mask = ("U8".to_string(), vec![1, 1, 2, 2], vec![1; 4]);
		// Names without prefix, causal masks, the head once more.
		*tensors = core::mem::take(tensors)
			.into_iter()
			.map(|(name, row)| (name.replacen("transformer.", "", 1), row))
			.collect();
		tensors.insert("h.0.attn.bias".into(), mask.clone());
		tensors.insert("h.1.attn.masked_bias".into(), mask);
		tensors.insert("lm_head.weight".into(), head);
	});
	assert_eq!(read.unwrap().parameters, model);
}

#[test]
fn narrow_numbers_widen_exactly() {
	let narrow = |kind: &str, narrow: fn(f32) -> [u8; 2]| {
		with_tensors(|tensors| {
			for (tensor_kind, _, bytes) in tensors.values_mut() {
				*tensor_kind = kind.into();
				let numbers = bytes.chunks_exact(4);
				let numbers = numbers.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
				*bytes = numbers.flat_map(narrow).collect();
			}
		})
		.unwrap()
		.parameters
	};
	let (model, _) = folder();
	let cut = narrow("BF16", |x| [x.to_le_bytes()[2], x.to_le_bytes()[3]]);
	for (got, want) in cut.as_slice().iter().zip(model.as_slice()) {
		assert_eq!(got.to_bits(), want.to_bits() & 0xffff_0000);
	}
	// 1.0, and a power of two for everything else.
	let halves = narrow("F16", |x| match x {
		1.0 => 0x3c00_u16.to_le_bytes(),
		_ => 0x2c00_u16.to_le_bytes(),
	});
	for (got, want) in halves.as_slice().iter().zip(model.as_slice()) {
		assert_eq!(*got, if *want == 1.0 { 1.0 } else { 0.0625 });
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(128))]

	#[test]
	fn a_damaged_folder_is_read_or_refused(
		which in 0_usize..3,
		at in any::<usize>(),
		byte in any::<u8>(),
		cut in any::<Option<usize>>(),
	) {
		let (_, mut folder) = folder();
		let bytes = folder.get_mut([CONFIG, MODEL, TOKENIZER][which]).unwrap();
		// Most of the numbers are alike; the interesting bytes come first.
		let n = bytes.len().min(4096);
		bytes[at % n] = byte;
		if let Some(cut) = cut {
			bytes.truncate(cut % n);
		}
		if let Ok(read) = import(&folder) {
			prop_assert!(read.parameters.as_slice().iter().all(|x| x.is_finite()));
		}
	}
}
