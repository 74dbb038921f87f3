#!/bin/sh
# Writes web/src/api/schema.gen.ts anew from api/openapi.json: after each change of that file.
set -eu
NM_SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
. "$NM_SOURCE/web/env.sh"
npm_ci "$NM_SOURCE/tests/web"
cd "$NM_SOURCE/tests/web"
exec node node_modules/openapi-typescript/bin/cli.js "$NM_SOURCE/api/openapi.json" \
  -o "$NM_SOURCE/web/src/api/schema.gen.ts"
