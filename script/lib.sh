# What the scripts share; sourced, never run. Sets ROOT and goes there.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
BUILD=$ROOT/build
cd "$ROOT"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin  # dpkg's helpers, where a bare PATH lacks them

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# Configures and builds the given targets (all without arguments) in build/, quietly where nothing changed.
build() {
  local log=$BUILD/configure.log
  mkdir -p "$BUILD"
  cmake --preset release >"$log" 2>&1 || { cat "$log" >&2; die "configuring failed"; }
  cmake --build --preset release ${1:+--target "$@"} || die "the build failed"
}

# Python as a user of the build tree has it.
python() { PYTHONPATH=$BUILD/python${PYTHONPATH:+:$PYTHONPATH} "$VENV/bin/python" "$@"; }
