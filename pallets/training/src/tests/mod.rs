//! Tests of the pallet: each file a part of the behaviour, each name a sentence.

mod invariants;
mod machine;
mod posts;
mod rounds;
mod tasks;
mod trainers;
mod worker;
