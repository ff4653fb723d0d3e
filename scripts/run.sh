#!/usr/bin/env bash
# The main job: sets up what is missing, builds, starts a local network, trains, generates, registers, sells, verifies.
#
#   scripts/run.sh [--once] [--corpus tang|shakespeare] [--rounds N] [--run-dir DIR]
#
# Without --once the network stays up until Ctrl-C. Every figure shown is in run/summary.json.
# Knows how to get and build things; what the steps are is known to `line` (e2e/src/line.rs), which takes the same arguments.
set -euo pipefail

# `run/` lies in the checkout, wherever this is called from.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'run: %s\n' "$*" >&2; }

corpus=tang
previous=
for argument in "$@"; do
	case $argument in
	-h | --help)
		sed -n '2,7s/^# \{0,1\}//p' scripts/run.sh
		exit 0
		;;
	--corpus=*) corpus=${argument#--corpus=} ;;
	*) [ "$previous" != --corpus ] || corpus=$argument ;;
	esac
	previous=$argument
done

bash scripts/setup.sh
# Set-up may have linked the WASM toolchain that env.sh looks for.
# shellcheck source=scripts/env.sh
. scripts/env.sh
folder=${LLMCHAIN_CACHE:-$HOME/.cache/llmchain}/corpora/$corpus
bash scripts/fetch-corpora.sh "$corpus" "$folder" >/dev/null
say "building; the first time takes most of an hour on two cores"
# The one selection: any other rebuilds much (docs/adr/0002-toolchain.md).
cargo build --locked --workspace --all-targets
exec "$CARGO_TARGET_DIR/debug/line" --corpus-dir "$folder" "$@"
