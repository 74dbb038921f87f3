// How the page is written: small files, and nothing that turns text into markup or code.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { test } from 'node:test';

import { SOURCE } from './support/place.mjs';

const MOST_LINES = 300;
const MOST_TEST_LINES = 600; // tests and the mock they bring
const MOST_COLUMNS = 100;
const BANNED = [
  [
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment/,
    'text goes in as text',
  ],
  [/\beval\(|new Function\(/, 'no code from text'],
  [
    /\sstyle="|style=\{`|setAttribute\(\s*'style'/,
    'the CSP blocks style attributes: a class, or the style property',
  ],
  [/https?:\/\/(?!www\.w3\.org)/, 'no other hosts'],
  [/javascript:/, 'no code in addresses'],
];

const files = (folder) =>
  readdirSync(join(SOURCE, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name));
const sources = [...files('web/src'), ...files('web/mock'), ...files('tests/web')].filter((path) =>
  ['.ts', '.tsx', '.mjs', '.css'].includes(extname(path)),
);

test('files are short', () => {
  for (const path of sources) {
    const lines = readFileSync(path, 'utf8').split('\n');
    const most = path.includes('/web/src/') ? MOST_LINES : MOST_TEST_LINES;
    assert.ok(lines.length <= most + 1, `${path} has ${lines.length} lines`);
    lines.forEach((line, i) =>
      assert.ok(line.length <= MOST_COLUMNS, `${path}:${i + 1} has ${line.length} columns`),
    );
  }
});

test('every file says what it is for', () => {
  for (const path of sources) {
    const first = readFileSync(path, 'utf8').slice(0, 3);
    if (/main\.tsx$/.test(path) || path.endsWith('.css')) continue;
    assert.match(first, /^\/\/ /, path);
  }
});

test('text stays text', () => {
  for (const path of sources.filter((one) => one.includes('/web/src/'))) {
    const text = readFileSync(path, 'utf8');
    for (const [pattern, why] of BANNED) assert.doesNotMatch(text, pattern, `${path}: ${why}`);
  }
});
