// A log as text: only the lines in sight are in the page, so that millions scroll. It opens at the
// end and follows it; scrolling up stops that and counts what is new. #L120 is the address of a
// line.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

import { ansiPieces, guessLevel } from '../base/ansi';
import { count, plural } from '../base/format';
import { useKeys } from './keys';
import { windowOf } from './rows';
import type { LogState, LogText } from './log';
import { clockOf } from '../base/time';
import { zone } from '../store/settings';

const LINE = 18;
const NO_LINE: LogText = { text: '', at: null };

interface LineProps {
  line: LogText;
  number: number;
  at: number;
  mark: boolean;
  times: boolean;
}

function Line({ line, number, at, mark, times }: LineProps) {
  const { text } = line;
  return (
    <div
      class={`log-line ${guessLevel(text) ?? ''}${mark ? ' marked' : ''}`}
      style={{ top: `${at * LINE}px` }}
    >
      <a class="line-number" href={`#L${number}`} aria-label={`Line ${number}`} tabIndex={-1}>
        {number}
      </a>
      {times && line.at && (
        <span class="log-time">{clockOf(Date.parse(line.at), zone.value, true)}</span>
      )}
      <span class="log-text">
        {ansiPieces(text).map((piece, i) =>
          piece.classes ? (
            <span key={i} class={piece.classes}>
              {piece.text}
            </span>
          ) : (
            piece.text
          ),
        )}
      </span>
    </div>
  );
}

function save(lines: LogText[], name: string): void {
  const address = URL.createObjectURL(
    new Blob([lines.map((line) => `${line.text}\n`).join('')], { type: 'text/plain' }),
  );
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function lineInAddress(): number {
  return Number(/^#L(\d+)$/.exec(location.hash)?.[1] ?? 0);
}

export function LogView({
  log,
  onFull,
  silent,
  name,
}: {
  log: LogState;
  onFull?: () => void;
  silent?: string; // what to say of a log without a line
  name: string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [follows, setFollows] = useState(lineInAddress() === 0);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(480);
  const [seen, setSeen] = useState(0);
  const [wrap, setWrap] = useState(false);
  const [times, setTimes] = useState(true);
  const [query, setQuery] = useState('');
  const [onlyErrors, setOnlyErrors] = useState(false);
  const [marked, setMarked] = useState(lineInAddress());
  const filter = useRef<HTMLInputElement>(null);
  const shown = useMemo(() => {
    const wanted = query.toLowerCase();
    if (!wanted && !onlyErrors) return null; // all: the index of a line is its number
    const out: number[] = [];
    log.lines.forEach((line, i) => {
      if (onlyErrors && guessLevel(line.text) !== 'error') return;
      if (!wanted || line.text.toLowerCase().includes(wanted)) out.push(i);
    });
    return out;
  }, [log.lines, query, onlyErrors]);
  const total = shown ? shown.length : log.lines.length;
  const toEnd = () => {
    const node = box.current;
    if (!node) return;
    node.scrollTop = node.scrollHeight;
    setFollows(true);
  };
  useKeys([
    { keys: 'w', does: 'wrap lines', group: 'Log', run: () => setWrap((old) => !old) },
    { keys: 'f', does: 'full height', group: 'Log', run: () => onFull?.() },
    { keys: 'e', does: 'only errors', group: 'Log', run: () => setOnlyErrors((old) => !old) },
    { keys: '/', does: 'filter lines', group: 'Log', run: () => filter.current?.focus() },
    { keys: 'Shift-G', does: 'to the end', group: 'Log', run: toEnd },
    { keys: 't', does: 'times of lines', group: 'Log', run: () => setTimes((old) => !old) },
    { keys: 's', does: 'save the log', group: 'Log', run: () => save(log.lines, name) },
  ]);
  useEffect(() => {
    const node = box.current;
    if (!node) return undefined;
    const watch = new ResizeObserver(() => setHeight(node.clientHeight));
    watch.observe(node);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (follows) {
      toEnd();
      setSeen(total);
    }
  }, [total, follows, wrap]);
  useEffect(() => {
    const go = () => {
      const line = lineInAddress();
      setMarked(line);
      if (line > 0 && box.current) {
        setFollows(false);
        box.current.scrollTop = (line - log.dropped - 4) * LINE;
      }
    };
    addEventListener('hashchange', go);
    if (log.loaded) go();
    return () => removeEventListener('hashchange', go);
  }, [log.loaded]);
  const onScroll = () => {
    const node = box.current;
    if (!node) return;
    setTop(node.scrollTop);
    const atEnd = node.scrollTop + node.clientHeight >= node.scrollHeight - LINE * 2;
    setFollows(atEnd);
    if (atEnd) setSeen(total);
  };
  const [first, last] = windowOf(top, height, LINE, total);
  // Wrapped lines have no fixed height: then only the last thousand are in the page.
  const from = wrap ? Math.max(0, total - 1000) : first;
  const till = wrap ? total : last;
  const numbers = Array.from(
    { length: Math.max(0, till - from) },
    (_, i) => shown?.[from + i] ?? from + i,
  );
  return (
    <div class="log">
      <div class="row wrap log-tools">
        <input
          ref={filter}
          type="text"
          placeholder="Filter lines ( / )"
          aria-label="Filter lines"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
        <button class="small" aria-pressed={onlyErrors} onClick={() => setOnlyErrors(!onlyErrors)}>
          Errors <kbd>e</kbd>
        </button>
        <button class="small" aria-pressed={wrap} onClick={() => setWrap(!wrap)}>
          Wrap <kbd>w</kbd>
        </button>
        {onFull && (
          <button class="small" onClick={onFull}>
            Full <kbd>f</kbd>
          </button>
        )}
        <button class="small" onClick={() => save(log.lines, name)}>
          Save <kbd>s</kbd>
        </button>
        <span class="muted small grow" role="status">
          {plural(total, 'line')}
          {shown && ` of ${count(log.lines.length)}`}
          {log.open ? ', following' : ''}
        </span>
        {!follows && (
          <button class="small" onClick={toEnd}>
            {total > seen ? `${count(total - seen)} new lines` : 'To the end'}
          </button>
        )}
      </div>
      <div
        ref={box}
        class={wrap ? 'log-box wrapped' : 'log-box'}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-label="Log"
        aria-live="off"
      >
        <div class="log-space" style={wrap ? {} : { height: `${total * LINE}px` }}>
          {numbers.map((index, i) => (
            <Line
              key={index}
              number={log.dropped + index + 1}
              at={from + i}
              line={log.lines[index] ?? NO_LINE}
              mark={marked === log.dropped + index + 1}
              times={times}
            />
          ))}
        </div>
        {log.loaded && total === 0 && (
          <p class="muted log-empty">
            {log.lines.length > 0
              ? 'No line fits the filter.'
              : log.open
                ? 'Nothing written yet.'
                : (silent ?? 'Nothing was written to the log.')}
          </p>
        )}
      </div>
    </div>
  );
}
