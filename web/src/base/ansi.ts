// Log lines: colours of terminals become classes, all other escape sequences vanish, the rest stays
// text.

export interface Piece {
  text: string;
  classes: string;
}

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
// Sequences of colour and style, then all others: cursor, title, hyperlinks.
// eslint-disable-next-line no-control-regex
const SEQUENCE =
  /\x1b\[([0-9;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]/g;

interface Style {
  color: string;
  bold: boolean;
  dim: boolean;
}

function apply(style: Style, codes: string): Style {
  const next = { ...style };
  const list = codes === '' ? [0] : codes.split(/[;:]/).map(Number);
  for (let i = 0; i < list.length; i++) {
    const code = list[i] as number;
    if (code === 0) Object.assign(next, { color: '', bold: false, dim: false });
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 22) Object.assign(next, { bold: false, dim: false });
    else if (code === 39) next.color = '';
    else if (code >= 30 && code <= 37) next.color = NAMES[code - 30] ?? '';
    else if (code >= 90 && code <= 97) next.color = NAMES[code - 90] ?? '';
    // 256 and true colours: their arguments are skipped, they cannot be told apart on every page.
    else if (code === 38 || code === 48) i += list[i + 1] === 5 ? 2 : 4;
  }
  return next;
}

function classesOf(style: Style): string {
  return [style.color && `ansi-${style.color}`, style.bold && 'ansi-bold', style.dim && 'ansi-dim']
    .filter(Boolean)
    .join(' ');
}

export function ansiPieces(line: string): Piece[] {
  if (!line.includes('\x1b')) return [{ text: line, classes: '' }];
  const pieces: Piece[] = [];
  let style: Style = { color: '', bold: false, dim: false };
  let from = 0;
  const push = (text: string) => text !== '' && pieces.push({ text, classes: classesOf(style) });
  for (const match of line.matchAll(SEQUENCE)) {
    push(line.slice(from, match.index));
    if (match[1] !== undefined) style = apply(style, match[1]);
    from = match.index + match[0].length;
  }
  push(line.slice(from));
  return pieces;
}

export type Level = 'error' | 'warning' | 'info' | 'debug';
const LEVEL =
  /\b(ERROR|FATAL|CRITICAL|WARN(?:ING)?|INFO|DEBUG|TRACE)\b|^(Traceback|\w*(?:Error|Exception)\b)/;

// A guess for lines whose writer gave no level, from the first hundred characters.
export function guessLevel(line: string): Level | null {
  const match = LEVEL.exec(line.slice(0, 100));
  if (!match) return null;
  const word = match[1] ?? 'ERROR';
  if (word.startsWith('WARN')) return 'warning';
  if (word === 'INFO') return 'info';
  if (word === 'DEBUG' || word === 'TRACE') return 'debug';
  return 'error';
}
