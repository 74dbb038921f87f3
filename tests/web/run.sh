#!/bin/sh
# run.sh build | FILE.test.mjs: prepares the page and its tests, or runs one file of them.
# NM_WEB_DAEMON names the program of a daemon to test against, NM_WEB_URL and NM_WEB_TOKEN one that
# runs already; without them the tests bring a mock.
set -eu
NM_SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
. "$NM_SOURCE/web/env.sh"
export NM_WEB_OUT="$NM_SOURCE/build/web"
if [ "$1" = build ]; then
  "$NM_SOURCE/web/build.sh" "$NM_WEB_OUT"
  npm_ci "$NM_SOURCE/tests/web"
  NODE_ENV=production exec node "$NM_SOURCE/tests/web/support/build_pure.mjs" "$NM_WEB_OUT/pure"
fi
exec node --test "$NM_SOURCE/tests/web/$1"
