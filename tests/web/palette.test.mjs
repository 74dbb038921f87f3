// The colours of states can be told apart by every kind of sight, and texts on them be read.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { SOURCE } from './support/place.mjs';
import pure from './support/pure.mjs';

// Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
const SIGHTS = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protan: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deutan: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritan: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
const LEAST_DISTANCE = 18;

const channels = (hex) =>
  (hex.length === 4 ? [...hex.slice(1)].map((c) => c + c) : hex.slice(1).match(/../g)).map(
    (part) => parseInt(part, 16) / 255,
  );
const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const rgb = (hex) => channels(hex).map(linear);
const seen = (color, matrix) =>
  matrix.map((row) =>
    Math.min(
      1,
      Math.max(
        0,
        row.reduce((sum, weight, i) => sum + weight * color[i], 0),
      ),
    ),
  );

function lab([r, g, b]) {
  const f = (t) => (t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116);
  const x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
  const y = f(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
  const z = f((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

// Sharma, Wu, Dalal 2005.
export function ciede2000([l1, a1, b1], [l2, a2, b2]) {
  const rad = Math.PI / 180;
  const mean = (Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2;
  const g = 0.5 * (1 - Math.sqrt(mean ** 7 / (mean ** 7 + 25 ** 7)));
  const [p1, p2] = [a1 * (1 + g), a2 * (1 + g)];
  const [c1, c2] = [Math.hypot(p1, b1), Math.hypot(p2, b2)];
  const hue = (a, b) => (a === 0 && b === 0 ? 0 : (Math.atan2(b, a) / rad + 360) % 360);
  const [h1, h2] = [hue(p1, b1), hue(p2, b2)];
  const turn = c1 * c2 === 0 ? 0 : ((h2 - h1 + 540) % 360) - 180;
  const dh = 2 * Math.sqrt(c1 * c2) * Math.sin((turn / 2) * rad);
  const [l, c] = [(l1 + l2) / 2, (c1 + c2) / 2];
  const h =
    c1 * c2 === 0
      ? h1 + h2
      : Math.abs(h1 - h2) <= 180
        ? (h1 + h2) / 2
        : ((h1 + h2 + 360) / 2) % 360;
  const t =
    1 -
    0.17 * Math.cos((h - 30) * rad) +
    0.24 * Math.cos(2 * h * rad) +
    0.32 * Math.cos((3 * h + 6) * rad) -
    0.2 * Math.cos((4 * h - 63) * rad);
  const sl = 1 + (0.015 * (l - 50) ** 2) / Math.sqrt(20 + (l - 50) ** 2);
  const sc = 1 + 0.045 * c;
  const sh = 1 + 0.015 * c * t;
  const rt =
    -Math.sin(60 * Math.exp(-(((h - 275) / 25) ** 2)) * rad) *
    2 *
    Math.sqrt(c ** 7 / (c ** 7 + 25 ** 7));
  const [dl, dc, dhs] = [(l2 - l1) / sl, (c2 - c1) / sc, dh / sh];
  return Math.sqrt(dl ** 2 + dc ** 2 + dhs ** 2 + rt * dc * dhs);
}

const luminance = (hex) => rgb(hex).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

test('the formula gives the published values', () => {
  const pairs = [
    [[50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425],
    [[50, -1, 2], [50, 0, 0], 2.3669],
    [[50, 2.5, 0], [58, 24, 15], 19.4535],
    [[2.0776, 0.0795, -1.135], [0.9033, -0.0636, -0.5514], 0.9082],
  ];
  for (const [a, b, wanted] of pairs)
    assert.ok(Math.abs(ciede2000(a, b) - wanted) < 1e-4, `${a} ${b}`);
});

test('every pair of states differs for every kind of sight', () => {
  let least = [Infinity, ''];
  for (const [sight, matrix] of Object.entries(SIGHTS)) {
    const labs = pure.PALETTE_STATES.map((state) => lab(seen(rgb(pure.LOOKS[state].fill), matrix)));
    labs.forEach((a, i) =>
      labs.slice(i + 1).forEach((b, k) => {
        const distance = ciede2000(a, b);
        const name = `${sight}: ${pure.PALETTE_STATES[i]} and ${pure.PALETTE_STATES[i + 1 + k]}`;
        if (distance < least[0]) least = [distance, name];
      }),
    );
  }
  assert.ok(least[0] >= LEAST_DISTANCE, `${least[1]} are ${least[0].toFixed(1)} apart`);
});

test('glyphs can be read on their fills', () => {
  for (const [state, look] of Object.entries(pure.LOOKS)) {
    if (look.fill)
      assert.ok(contrast(look.fill, look.ink) >= 5, `${state}: ${contrast(look.fill, look.ink)}`);
  }
});

test('a fill that is weak against the page has an outline', () => {
  for (const [state, look] of Object.entries(pure.LOOKS)) {
    if (!look.fill) continue;
    assert.equal(contrast(look.fill, '#ffffff') < 3, look.outlineOnLight, `${state} on light`);
    assert.equal(contrast(look.fill, '#0f1419') < 3, look.outlineOnDark, `${state} on dark`);
  }
});

test('the style sheet has the same colours', () => {
  const css = readFileSync(join(SOURCE, 'web/src/styles/tokens.css'), 'utf8');
  for (const state of pure.PALETTE_STATES) {
    assert.match(css, new RegExp(`--${state}: ${pure.LOOKS[state].fill};`));
  }
  assert.match(css, new RegExp(`--outline: ${pure.OUTLINE.light};`));
  assert.match(css, new RegExp(`--outline: ${pure.OUTLINE.dark};`));
});

test('no two glyphs of coloured states are the same', () => {
  const glyphs = pure.PALETTE_STATES.map((state) => pure.LOOKS[state].glyph);
  assert.equal(new Set(glyphs).size, glyphs.length);
});
