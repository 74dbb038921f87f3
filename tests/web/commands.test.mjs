// The commands that the page tells its readers exist, with their options. Runs where the program is
// (NM_WEB_DAEMON).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { SOURCE } from './support/place.mjs';
import pure from './support/pure.mjs';

const help = (words) =>
  execFileSync(process.env.NM_WEB_DAEMON, [...words, '--help'], { encoding: 'utf8' });

test('commands in the text of the page', () => {
  const found = readdirSync(join(SOURCE, 'web/src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .flatMap((text) => [...text.matchAll(/\bnightmill ([a-z]+(?: [a-z_]+)?)((?: [^\s"'`<]+)*)/g)]);
  assert.ok(found.length >= 6, `${found.length} commands`);
  for (const [all, verb, rest] of found) {
    const text = help(verb.split(' '));
    for (const [option] of rest.split('&&')[0].matchAll(/--[a-z-]+/g))
      assert.ok(text.includes(option), `${all}: no ${option}`);
  }
});

test('commands to copy', () => {
  for (const line of [
    pure.asTriggerCommand('d', { a: 1 }, '2026-01-01T00:00:00Z', 'r'),
    pure.asBackfillCommand('d', '2026-01-01', '2026-01-02', 'failed', 2),
  ]) {
    const text = help(line.split(' ').slice(1, 3));
    for (const [option] of line.matchAll(/--[a-z-]+/g)) assert.ok(text.includes(option), line);
  }
});
