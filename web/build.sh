#!/bin/sh
# build.sh [FOLDER]: builds the page. Leaves in FOLDER (default build/web):
#   dist/      what a browser gets
#   gzip/      the same, compressed
#   assets.cc  the table of them for nm_web_assets (web/assets.h)
# and in web/generated the types of the API (types.sh). Same sources, same bytes.
set -eu
NM_SOURCE=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$NM_SOURCE/build/web}
mkdir -p "$out"
out=$(cd "$out" && pwd)
. "$NM_SOURCE/web/env.sh"
"$NM_SOURCE/web/types.sh" # installs the packages, too
cd "$NM_SOURCE/web"
NM_WEB_OUT=$out/dist NODE_ENV=production node node_modules/vite/bin/vite.js build
node embed.mjs "$out"
