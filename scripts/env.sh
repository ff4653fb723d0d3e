# What every build of this project shares; source it. Keeps one warm target folder and one lock file.
#
# Must not know: which command is run. Why each line: docs/adr/0002-toolchain.md.
# shellcheck shell=bash
LLMCHAIN_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export LLMCHAIN_ROOT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/llmchain/target}
export WASM_BUILD_WORKSPACE_HINT=$LLMCHAIN_ROOT
if rustup toolchain list 2>/dev/null | grep -q '^llmchain-wasm'; then
	export WASM_BUILD_TOOLCHAIN=llmchain-wasm
fi
