#!/usr/bin/env bash
# Runs a peer of `cargo xtask bench engine`: peer.sh torch|candle ARGUMENT...
# Installs it first where it is missing: PyTorch into a virtual environment, candle by building scripts/bench/peers.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${LLMCHAIN_CACHE:-$HOME/.cache/llmchain}
peer=${1:?torch or candle}
shift
# Peers run as their makers ship them.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
export OMP_NUM_THREADS=2 MKL_NUM_THREADS=2 RAYON_NUM_THREADS=2

case $peer in
torch)
	environment=$cache/torch-venv
	if ! "$environment/bin/python" -c 'import torch, numpy' 2>/dev/null; then
		python3 -m venv "$environment" >&2
		"$environment/bin/pip" install --quiet torch==2.15.0 numpy >&2
	fi
	exec "$environment/bin/python" "$here/torch_engine.py" "$@"
	;;
candle)
	export CARGO_TARGET_DIR=$cache/bench-peers
	cargo build --release --quiet --manifest-path "$here/peers/Cargo.toml" --bin "$peer" >&2
	exec "$CARGO_TARGET_DIR/release/$peer" "$@"
	;;
*)
	echo "peer.sh: $peer: torch or candle" >&2
	exit 2
	;;
esac
