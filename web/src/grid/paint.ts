// Draws the part of the grid that is in sight. Each state's tile is drawn once per scheme and pixel
// ratio and then copied: a thousand cells cost about a millisecond.
import { LOOKS, OUTLINE, stateOf, type StateWord } from '../base/states';
import { shortDay, type ZoneChoice } from '../base/time';
import type { GridData, GridRow, Spot } from './model';
import { stateAt } from './model';

export const CELL = 20;
export const TILE = 16;
export const HEAD = 86;
const BARS_TOP = 24;
const BARS = HEAD - BARS_TOP - 8;
const INDENT = 14;

export interface Scene {
  data: GridData;
  rows: GridRow[];
  labelWidth: number;
  width: number;
  height: number;
  scrollX: number;
  scrollY: number;
  dark: boolean;
  ratio: number;
  zone: ZoneChoice;
  now: number;
  hover: Spot | null;
  focus: Spot | null; // drawn as a ring
  selected: ReadonlySet<string>; // "run row-key"
  marked: { run: string; task: string }; // what the panel shows
}

interface Ink {
  page: string;
  text: string;
  muted: string;
  line: string;
  band: string;
  accent: string;
}
const INKS: Record<'light' | 'dark', Ink> = {
  light: {
    page: '#ffffff',
    text: '#1c2126',
    muted: '#56606b',
    line: '#e3e8ed',
    band: '#e3effb',
    accent: '#0a58a8',
  },
  dark: {
    page: '#0f1419',
    text: '#dde3e9',
    muted: '#9aa5b1',
    line: '#222a32',
    band: '#16293d',
    accent: '#79b8ff',
  },
};

const tiles = new Map<string, HTMLCanvasElement>();

function tileOf(state: StateWord, dark: boolean, ratio: number): HTMLCanvasElement {
  const key = `${state} ${dark} ${ratio}`;
  const found = tiles.get(key);
  if (found) return found;
  const tile = document.createElement('canvas');
  tile.width = tile.height = Math.ceil(TILE * ratio);
  const pen = tile.getContext('2d');
  if (pen) {
    pen.scale(ratio, ratio);
    drawTile(pen, state, dark);
  }
  tiles.set(key, tile);
  return tile;
}

function drawTile(pen: CanvasRenderingContext2D, state: StateWord, dark: boolean): void {
  const look = LOOKS[state];
  const edge = dark ? OUTLINE.dark : OUTLINE.light;
  pen.beginPath();
  pen.roundRect(0.5, 0.5, TILE - 1, TILE - 1, 3.5);
  pen.lineWidth = 1;
  if (look.fill) {
    pen.fillStyle = look.fill;
    pen.fill();
    pen.strokeStyle = edge;
    if (dark ? look.outlineOnDark : look.outlineOnLight) pen.stroke();
  } else {
    pen.strokeStyle = edge;
    pen.globalAlpha = state === 'none' ? 0.55 : 1;
    pen.setLineDash([2.4, 1.6]);
    pen.stroke();
    pen.setLineDash([]);
  }
  if (state === 'none') return; // an empty dashed box says it; a glyph in each would be noise
  pen.strokeStyle = look.ink || edge;
  pen.lineWidth = 1.7;
  pen.lineCap = pen.lineJoin = 'round';
  pen.stroke(new Path2D(look.glyph));
}

export function columnsIn(scene: Scene): [number, number] {
  const seen = scene.width - scene.labelWidth;
  const first = Math.max(0, Math.floor(scene.scrollX / CELL));
  return [first, Math.min(scene.data.runs.length, first + Math.ceil(seen / CELL) + 1)];
}

export function rowsIn(scene: Scene): [number, number] {
  const first = Math.max(0, Math.floor(scene.scrollY / CELL));
  return [first, Math.min(scene.rows.length, first + Math.ceil((scene.height - HEAD) / CELL) + 1)];
}

export function spotAt(scene: Scene, x: number, y: number): Spot | null {
  const run = x < scene.labelWidth ? -1 : Math.floor((x - scene.labelWidth + scene.scrollX) / CELL);
  const row = y < HEAD ? -1 : Math.floor((y - HEAD + scene.scrollY) / CELL);
  if (run >= scene.data.runs.length || row >= scene.rows.length || (run < 0 && row < 0))
    return null;
  return { run, row };
}

export function cellKey(run: string, row: string): string {
  return `${run} ${row}`;
}

export function paint(pen: CanvasRenderingContext2D, scene: Scene): void {
  const ink = INKS[scene.dark ? 'dark' : 'light'];
  pen.setTransform(scene.ratio, 0, 0, scene.ratio, 0, 0);
  pen.fillStyle = ink.page;
  pen.fillRect(0, 0, scene.width, scene.height);
  paintBands(pen, scene, ink);
  paintCells(pen, scene, ink);
  paintHead(pen, scene, ink);
  paintLabels(pen, scene, ink);
  pen.fillStyle = ink.line;
  pen.fillRect(0, HEAD - 1, scene.width, 1);
  pen.fillRect(scene.labelWidth - 1, 0, 1, scene.height);
}

function paintBands(pen: CanvasRenderingContext2D, scene: Scene, ink: Ink): void {
  pen.fillStyle = ink.band;
  const column = scene.data.runs.findIndex((run) => run.id === scene.marked.run);
  const row = scene.rows.findIndex((one) => one.key === scene.marked.task);
  for (const run of [column, scene.hover?.run ?? -1]) {
    if (run < 0) continue;
    pen.fillRect(scene.labelWidth + run * CELL - scene.scrollX, 0, CELL, scene.height);
  }
  for (const at of [row, scene.hover?.row ?? -1]) {
    if (at >= 0) pen.fillRect(0, HEAD + at * CELL - scene.scrollY, scene.width, CELL);
  }
}

function paintCells(pen: CanvasRenderingContext2D, scene: Scene, ink: Ink): void {
  pen.save();
  pen.beginPath();
  pen.rect(scene.labelWidth, HEAD, scene.width, scene.height);
  pen.clip();
  const [firstRow, lastRow] = rowsIn(scene);
  const [firstRun, lastRun] = columnsIn(scene);
  for (let r = firstRow; r < lastRow; r++) {
    const row = scene.rows[r] as GridRow;
    const y = HEAD + r * CELL - scene.scrollY + (CELL - TILE) / 2;
    for (let c = firstRun; c < lastRun; c++) {
      const x = scene.labelWidth + c * CELL - scene.scrollX + (CELL - TILE) / 2;
      const tile = tileOf(stateAt(scene.data, c, row), scene.dark, scene.ratio);
      pen.drawImage(tile, x, y, TILE, TILE);
      if (scene.selected.has(cellKey(scene.data.runs[c]?.id ?? '', row.key))) {
        pen.strokeStyle = ink.accent;
        pen.lineWidth = 2;
        pen.strokeRect(x - 1, y - 1, TILE + 2, TILE + 2);
      }
      if (scene.focus?.run === c && scene.focus.row === r) {
        pen.strokeStyle = ink.text;
        pen.lineWidth = 2;
        pen.strokeRect(x - 1.5, y - 1.5, TILE + 3, TILE + 3);
      }
    }
  }
  pen.restore();
}

function secondsOf(scene: Scene, index: number): number {
  const run = scene.data.runs[index];
  if (!run) return 0;
  if (run.duration !== null) return run.duration;
  return run.started ? Math.max(0, (scene.now - Date.parse(run.started)) / 1000) : 0;
}

// A bar per run: height = duration beside the longest in sight, colour = state; queued runs are
// ghosts.
function paintHead(pen: CanvasRenderingContext2D, scene: Scene, ink: Ink): void {
  pen.save();
  pen.beginPath();
  pen.rect(scene.labelWidth, 0, scene.width, HEAD);
  pen.clip();
  const [first, last] = columnsIn(scene);
  let longest = 0;
  for (let c = first; c < last; c++) longest = Math.max(longest, secondsOf(scene, c));
  let labelled = -Infinity;
  let lastDay = '';
  pen.font = '11px system-ui, sans-serif';
  pen.textBaseline = 'alphabetic';
  for (let c = first; c < last; c++) {
    const run = scene.data.runs[c];
    if (!run) continue;
    const x = scene.labelWidth + c * CELL - scene.scrollX;
    const share = longest > 0 ? secondsOf(scene, c) / longest : 0;
    const height = Math.max(3, share * BARS);
    const look = LOOKS[stateOf(run.state)];
    const top = HEAD - 5 - height;
    pen.fillStyle = look.fill || ink.line;
    pen.strokeStyle = scene.dark ? OUTLINE.dark : OUTLINE.light;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.roundRect(x + 4, top, CELL - 8, height, [2, 2, 0, 0]);
    if (run.state === 'queued') pen.setLineDash([2, 2]);
    else pen.fill();
    if (run.state === 'queued' || (scene.dark ? look.outlineOnDark : look.outlineOnLight))
      pen.stroke();
    pen.setLineDash([]);
    const day = run.date ? shortDay(Date.parse(run.date), scene.now, scene.zone) : '';
    if (day !== lastDay && x - labelled > 64) {
      pen.fillStyle = ink.muted;
      pen.fillText(day, x + 3, 14);
      pen.fillRect(x, 4, 1, HEAD - 10);
      labelled = x;
    }
    lastDay = day;
  }
  pen.restore();
}

function paintLabels(pen: CanvasRenderingContext2D, scene: Scene, ink: Ink): void {
  pen.save();
  pen.beginPath();
  pen.rect(0, HEAD, scene.labelWidth - 4, scene.height);
  pen.clip();
  pen.textBaseline = 'middle';
  const [first, last] = rowsIn(scene);
  for (let r = first; r < last; r++) {
    const row = scene.rows[r] as GridRow;
    const y = HEAD + r * CELL - scene.scrollY + CELL / 2;
    const x = 4 + row.depth * INDENT;
    pen.fillStyle = ink.text;
    pen.font = `${row.group ? '600 ' : ''}12px system-ui, sans-serif`;
    if (row.group) drawArrow(pen, x, y, row.open);
    const text = row.mapped ? `${row.label} [ ]` : row.label;
    pen.fillText(fitted(pen, text, scene.labelWidth - x - 24), x + 14, y + 1);
  }
  pen.restore();
}

function drawArrow(pen: CanvasRenderingContext2D, x: number, y: number, open: boolean): void {
  pen.beginPath();
  if (open) {
    pen.moveTo(x, y - 2);
    pen.lineTo(x + 8, y - 2);
    pen.lineTo(x + 4, y + 3);
  } else {
    pen.moveTo(x + 2, y - 4);
    pen.lineTo(x + 7, y);
    pen.lineTo(x + 2, y + 4);
  }
  pen.fill();
}

function fitted(pen: CanvasRenderingContext2D, text: string, most: number): string {
  if (pen.measureText(text).width <= most) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pen.measureText(`${text.slice(0, middle)}…`).width <= most) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)}…`;
}
