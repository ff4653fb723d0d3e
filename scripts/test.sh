#!/usr/bin/env bash
# Sets up what is missing and runs every check and test; the last line is `N passed, N failed`.
#
#   scripts/test.sh [--slow]
#
# --slow adds the fault and simulation runs that take long; record them in docs/verification.md. Which steps there are is decided by
# `cargo xtask ci` alone; other arguments are handed to it (`--only STEP`, `--keep-going`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh --linters
# Set-up may have linked the WASM toolchain that env.sh looks for.
# shellcheck source=scripts/env.sh
. scripts/env.sh
exec cargo xtask ci "$@"
