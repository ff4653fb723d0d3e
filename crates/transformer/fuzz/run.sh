#!/usr/bin/env bash
# Fuzzes what reads files of strangers, with AddressSanitizer, on the workspace's own stable compiler.
#
#   crates/transformer/fuzz/run.sh safetensors|tokenizer|config SECONDS
#
# Starts from seeds/TARGET (written by `cargo run --bin seeds`) and what earlier runs found, kept with build and crashes in
# ${LLMCHAIN_CACHE:-$HOME/.cache/llmchain}/fuzz. The last lines are libFuzzer's figures; a crash ends the run with an error
# and leaves its input. `cargo fuzz run TARGET` works too, where it is installed.
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: run.sh safetensors|tokenizer|config SECONDS" >&2; exit 1; }
target=$1
seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
cache=${LLMCHAIN_CACHE:-$HOME/.cache/llmchain}/fuzz
found=$cache/corpus/$target
mkdir -p "$found" "$cache/crashes"

# What cargo-fuzz passes: coverage of edges and comparisons, and the sanitizer, which stable compilers hide.
export RUSTC_BOOTSTRAP=1
flags=(
	-Cpasses=sancov-module
	-Cllvm-args=-sanitizer-coverage-level=4
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters
	-Cllvm-args=-sanitizer-coverage-pc-table
	-Cllvm-args=-sanitizer-coverage-trace-compares
	-Ccodegen-units=1
	-Zsanitizer=address
	--cfg=fuzzing
)
export RUSTFLAGS=${flags[*]}
triple=$(rustc -vV | sed -n 's/^host: //p')
cargo build --quiet --release --manifest-path "$here/Cargo.toml" --target-dir "$cache/target" --target "$triple" --bin "$target"

# Nothing that is read may take more than 10 seconds or 2 GB.
exec nice -n 19 "$cache/target/$triple/release/$target" "$found" "$here/seeds/$target" \
	-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
	-artifact_prefix="$cache/crashes/$target-"
