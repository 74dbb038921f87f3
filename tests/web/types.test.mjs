// The page's types are those of api/openapi.json, and the page is right by the strict compiler.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { SOURCE } from './support/place.mjs';

test('schema.gen.ts is what openapi-typescript makes of api/openapi.json', () => {
  const fresh = join(mkdtempSync(join(tmpdir(), 'nm-types-')), 'schema.gen.ts');
  execFileSync(
    process.execPath,
    [
      join(SOURCE, 'tests/web/node_modules/openapi-typescript/bin/cli.js'),
      join(SOURCE, 'api/openapi.json'),
      '-o',
      fresh,
    ],
    { cwd: join(SOURCE, 'tests/web'), stdio: 'pipe' },
  );
  const kept = readFileSync(join(SOURCE, 'web/src/api/schema.gen.ts'), 'utf8');
  assert.ok(readFileSync(fresh, 'utf8') === kept, 'run tests/web/types.sh');
});

test('tsc finds nothing', () => {
  try {
    execFileSync(
      process.execPath,
      [join(SOURCE, 'web/node_modules/typescript/bin/tsc'), '--noEmit'],
      { cwd: join(SOURCE, 'web'), stdio: 'pipe' },
    );
  } catch (error) {
    assert.fail(String(error.stdout));
  }
});
