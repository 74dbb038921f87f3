#!/bin/sh
# run_tests.sh [release|dev|tsan ...]: installs what is missing, builds and runs the tests of these
# presets (default: release with everything, then dev: core, engine, store and protocol under ASan
# and UBSan). The last line is "N passed, N failed"; the exit code is 1 if anything failed or did
# not build.
set -u
cd "$(dirname "$0")/.."
presets=${*:-release dev}

# The rooms that promise to hold under ASan and UBSan; a folder of tests/unit each.
sanitized="base model rules schedule template dagfile engine store protocol"

tools/bootstrap.sh test || exit $?

# Prints the build targets of a preset: all, or the folders of the sanitized rooms that exist.
targets() {
  [ "$1" = dev ] || { echo all; return; }
  for room in $sanitized; do
    [ -f "tests/unit/$room/CMakeLists.txt" ] && echo "tests/unit/$room/all"
  done
}

# Prints the regular expression of the tests to run; a folder's tests all run.
labels() {
  [ "$1" = dev ] && echo "-L ^($(echo "$sanitized" | tr ' ' '|'))$"
}

status=0
results=
for preset in $presets; do
  out=build/$preset/results
  results="$results $out"
  rm -rf "$out"
  mkdir -p "$out"
  if ! tools/build.sh "$preset" -DNIGHTMILL_TESTS=ON -- $(targets "$preset"); then
    status=1
    continue
  fi
  echo "test       $preset"
  # Each GoogleTest program writes its cases there; count_tests.py sums them up.
  GTEST_OUTPUT="json:$PWD/$out/" ctest --preset "$preset" -j 2 --no-tests=error --timeout 600 \
    --output-junit "$PWD/$out/ctest.xml" $(labels "$preset") || status=1
done
python3 tools/count_tests.py $results || status=1
exit $status
