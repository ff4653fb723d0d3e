#!/usr/bin/env bash
# Checks our Hugging Face layout against Python's transformers, both ways; see check.py.
#
#   scripts/hf/check.sh
#
# Python packages are pinned and kept in ${LLMCHAIN_CACHE:-$HOME/.cache/llmchain}: PyTorch in torch-venv, which
# scripts/bench uses as well, the others in hf. A second call needs no network.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${LLMCHAIN_CACHE:-$HOME/.cache/llmchain}
torch=$cache/torch-venv
venv=$cache/hf
stamp=$venv/.requirements

say() { printf '%s\n' "hf-check: $*" >&2; }
die() { say "$*"; exit 1; }
command -v python3 >/dev/null || die "python3 is missing; install it (Debian: apt-get install python3 python3-venv) and call this again"

packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
install() {
	local folder=$1
	shift
	say "installing $* into $folder"
	[ -x "$folder/bin/python" ] || python3 -m venv "$folder" ||
		die "no virtual environment could be made in $folder; see the message above"
	"$folder/bin/pip" install --quiet --disable-pip-version-check "$@" || die "pip could not install; its message is above"
}

[ -x "$torch/bin/python" ] && "$torch/bin/python" -c 'import torch' 2>/dev/null || install "$torch" torch==2.15.0 numpy
if ! cmp -s "$here/requirements.txt" "$stamp"; then
	install "$venv" --requirement "$here/requirements.txt"
	packages "$torch" >"$(packages "$venv")/torch.pth"
	cp "$here/requirements.txt" "$stamp"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --quiet --manifest-path "$root/Cargo.toml" --package transformer --example hugging_face
target=${CARGO_TARGET_DIR:-$root/target}
HF_HUB_OFFLINE=1 "$venv/bin/python" "$here/check.py" "$target/debug/examples/hugging_face" "$work"
