// The page is right by the strict compiler, against the types of api/openapi.json as it is now.
// Types that say nothing (any) would be found, too: each parameter's must be known.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

import { SOURCE } from './support/place.mjs';

const TSC = join(SOURCE, 'tests/web/node_modules/typescript/bin/tsc');

test('tsc finds nothing', () => {
  const run = (program, args) =>
    execFileSync(program, args, { cwd: join(SOURCE, 'web'), stdio: 'pipe' });
  run(join(SOURCE, 'web/types.sh'), []);
  try {
    run(process.execPath, [TSC]);
  } catch (error) {
    assert.fail(String(error.stdout));
  }
});
