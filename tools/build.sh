#!/bin/sh
# build.sh PRESET [-DNAME=VALUE ...] [-- TARGET ...]: configures and builds these targets in
# build/PRESET, with the Arrow that bootstrap.sh put into build/venv if the system has none.
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift
options=
while [ $# -gt 0 ] && [ "$1" != -- ]; do options="$options $1"; shift; done
if [ $# -gt 0 ]; then shift; fi
log=build/$preset.log
mkdir -p build
# The configure step is quiet unless it fails: a user of `make demo` reads the demo, not CMake.
if ! cmake --preset "$preset" $options >"$log" 2>&1; then
  cat "$log" >&2
  echo "build      configuring $preset failed; the log is $log" >&2
  exit 1
fi
echo "build      $preset ..."
started=$(date +%s)
targets=
if [ $# -gt 0 ]; then targets="--target $*"; fi
if ! cmake --build "build/$preset" -j "$(nproc)" $targets >"$log" 2>&1; then
  grep -v '^\[[0-9]*/[0-9]*\] \(Building\|Linking\|Generating\)' "$log" >&2
  echo "build      $preset failed; the log is $log" >&2
  exit 1
fi
if grep -n 'warning:' "$log" >&2; then echo "build      $preset has warnings" >&2; fi
echo "build      $preset done in $(($(date +%s) - started)) s"
