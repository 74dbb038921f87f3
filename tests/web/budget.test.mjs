// What a first visit costs, and that the same sources give the same bytes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { OUT, SOURCE } from './support/place.mjs';

const KB = 1000;
const MOST_FIRST_JS = 60 * KB;
const MOST_FIRST_CSS = 12 * KB;
const MOST_IN_ALL = 150 * KB;

const dist = join(OUT, 'dist');
const size = (name) => gzipSync(readFileSync(join(dist, name)), { level: 9 }).length;
const assets = readdirSync(join(dist, 'assets')).map((name) => `assets/${name}`);

// The entry, what it imports at once, and the style sheets of index.html.
function firstLoad() {
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  const wanted = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1]);
  for (const name of wanted) {
    if (!name.endsWith('.js')) continue;
    for (const match of readFileSync(join(dist, name), 'utf8').matchAll(
      /(?:from|import)\s*"\.\/([^"]+)"/g,
    )) {
      if (!wanted.includes(`assets/${match[1]}`)) wanted.push(`assets/${match[1]}`);
    }
  }
  return wanted;
}
const sum = (names) => names.reduce((total, name) => total + size(name), 0);

test('the first load is small', () => {
  const first = firstLoad();
  const js = sum(first.filter((name) => name.endsWith('.js')));
  const css = sum(first.filter((name) => name.endsWith('.css')));
  assert.ok(first.some((name) => name.endsWith('.css')) && first.length >= 3);
  assert.ok(js <= MOST_FIRST_JS, `${js} bytes of JS`);
  assert.ok(css <= MOST_FIRST_CSS, `${css} bytes of CSS`);
});

test('all of it is small', () => {
  const all = sum(assets.filter((name) => /\.(js|css)$/.test(name)));
  assert.ok(all <= MOST_IN_ALL, `${all} bytes`);
});

test('the layout of graphs is not part of the first load', () => {
  assert.ok(!firstLoad().some((name) => /dagre|layout_worker/.test(name)));
});

test('every name has a hash, and index.html holds no script or style of its own', () => {
  for (const name of assets) assert.match(name, /-[\w-]{8}\.(js|css|svg)$/);
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  assert.doesNotMatch(html, /<style|style=|<script(?![^>]*src=)/);
});

test('a second build gives the same bytes', () => {
  const again = mkdtempSync(join(tmpdir(), 'nm-web-'));
  execFileSync(join(SOURCE, 'web/build.sh'), [again], { stdio: 'pipe' });
  for (const name of ['index.html', ...assets]) {
    assert.ok(readFileSync(join(again, 'dist', name)).equals(readFileSync(join(dist, name))), name);
    assert.ok(
      readFileSync(join(again, 'gzip', `${name}.gz`)).equals(
        readFileSync(join(OUT, 'gzip', `${name}.gz`)),
      ),
      name,
    );
  }
});
