#!/bin/sh
# types.sh: writes web/generated/schema.ts, the types of api/openapi.json. Part of the page's build;
# alone after a change of that file, for an editor or the compiler.
set -eu
NM_SOURCE=$(cd "$(dirname "$0")/.." && pwd)
. "$NM_SOURCE/web/env.sh"
npm_ci "$NM_SOURCE/web"
cd "$NM_SOURCE/web"
spec=$NM_SOURCE/api/openapi.json
# It takes some seconds, and most builds change neither the API nor the generator.
made_of=$(cat "$spec" package-lock.json | cksum)
if [ -f generated/schema.ts ] && [ "$made_of" = "$(cat generated/.made-of 2>/dev/null)" ]; then
  exit 0
fi
mkdir -p generated
# Under a name of its own first: builds of several presets share the folder.
fresh=generated/schema.$$.ts
trap 'rm -f "$fresh"' EXIT
node node_modules/openapi-typescript/bin/cli.js "$spec" -o "$fresh" >/dev/null
mv "$fresh" generated/schema.ts
echo "$made_of" >generated/.made-of
