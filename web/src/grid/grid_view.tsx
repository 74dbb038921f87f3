// The grid: a canvas that shows the window in sight, and an off-screen grid of one cell that
// follows the arrow keys and says what is under them. Both speak of the same spot.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

import { stateLabel } from '../base/states';
import { duration, fullTime } from '../base/time';
import { now } from '../store/clock';
import { dark, zone } from '../store/settings';
import { CELL, cellKey, HEAD, paint, type Scene, spotAt } from './paint';
import { type GridData, type GridRow, moved, type Spot, stateAt } from './model';

export interface GridPick {
  run: string;
  task: string; // '' for a whole run
}

interface GridProps {
  data: GridData;
  rows: GridRow[];
  marked: GridPick;
  selected: ReadonlySet<string>;
  onMark: (pick: GridPick) => void;
  onOpen: (pick: GridPick) => void;
  onFold: (group: string) => void;
  onSelect: (next: Set<string>) => void;
  onKey: (key: string, pick: GridPick) => boolean;
}

export function cellText(data: GridData, rows: GridRow[], spot: Spot): string {
  const run = data.runs[spot.run];
  const row = rows[spot.row];
  const when = run?.date ? fullTime(Date.parse(run.date), zone.value) : (run?.id ?? '');
  if (!run) return row?.label ?? '';
  if (!row) {
    return (
      `run of ${when}, ${stateLabel(run.state)}` +
      (run.duration === null ? '' : `, ${duration(run.duration)}`)
    );
  }
  return `${row.label}, ${when}, ${stateLabel(stateAt(data, spot.run, row))}`;
}

function labelWidthOf(rows: GridRow[], boxWidth: number): number {
  const longest = rows.reduce(
    (most, row) => Math.max(most, row.label.length * 6.6 + row.depth * 14),
    0,
  );
  return Math.round(Math.min(Math.max(120, longest + 44), Math.max(140, boxWidth * 0.32)));
}

export function GridView(props: GridProps) {
  const { data, rows, marked, selected } = props;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const twin = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(800);
  const [hover, setHover] = useState<Spot | null>(null);
  const [spot, setSpot] = useState<Spot>({ run: data.runs.length - 1, row: 0 });
  const [focused, setFocused] = useState(false);
  const anchor = useRef<Spot | null>(null);
  const atEnd = useRef(true); // new runs come into sight only if the newest was in sight
  const labelWidth = useMemo(() => labelWidthOf(rows, width), [rows, width]);
  const height = Math.min(HEAD + rows.length * CELL + 14, Math.max(260, innerHeight - 210));

  const scene = (): Scene => ({
    data,
    rows,
    labelWidth,
    width,
    height,
    scrollX: box.current?.scrollLeft ?? 0,
    scrollY: box.current?.scrollTop ?? 0,
    dark: dark.value,
    ratio: Math.min(3, devicePixelRatio || 1),
    zone: zone.value,
    now: now.peek(),
    hover,
    focus: focused ? spot : null,
    selected,
    marked,
  });
  const draw = () => {
    const pen = canvas.current?.getContext('2d');
    const node = canvas.current;
    if (!pen || !node) return;
    const now = scene();
    const [w, h] = [Math.round(width * now.ratio), Math.round(height * now.ratio)];
    if (node.width !== w || node.height !== h) {
      node.width = w;
      node.height = h;
    }
    paint(pen, now);
  };
  const running = data.runs.some((run) => run.state === 'running');
  if (running) void now.value; // the bar of a running run grows
  useLayoutEffect(draw);
  useEffect(() => {
    const node = box.current;
    if (!node) return undefined;
    const watch = new ResizeObserver(() => setWidth(node.clientWidth));
    watch.observe(node);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    const node = box.current;
    if (node && atEnd.current) node.scrollLeft = node.scrollWidth;
  }, [data.runs.length, width, labelWidth]);

  const pickAt = (at: Spot): GridPick => ({
    run: data.runs[at.run]?.id ?? '',
    task: rows[at.row]?.group ? '' : (rows[at.row]?.key ?? ''),
  });
  const show = (next: Spot) => {
    setSpot(next);
    const node = box.current;
    if (!node) return;
    const x = next.run * CELL;
    const y = next.row * CELL;
    const seen = width - labelWidth - CELL;
    if (x < node.scrollLeft) node.scrollLeft = x;
    else if (x > node.scrollLeft + seen) node.scrollLeft = x - seen;
    if (y < node.scrollTop) node.scrollTop = y;
    else if (y > node.scrollTop + height - HEAD - CELL * 2) {
      node.scrollTop = y - (height - HEAD - CELL * 2);
    }
  };
  const select = (from: Spot, till: Spot, add: boolean) => {
    const next = new Set(add ? selected : []);
    for (let c = Math.min(from.run, till.run); c <= Math.max(from.run, till.run); c++) {
      for (let r = Math.min(from.row, till.row); r <= Math.max(from.row, till.row); r++) {
        const run = data.runs[c];
        const row = rows[r];
        if (run && row) next.add(cellKey(run.id, row.key));
      }
    }
    props.onSelect(next);
  };
  const toggle = (at: Spot) => {
    const key = cellKey(data.runs[at.run]?.id ?? '', rows[at.row]?.key ?? '');
    const next = new Set(selected);
    if (!next.delete(key)) next.add(key);
    props.onSelect(next);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = rows[spot.row];
    const next = moved(spot, event.key, data.runs.length, rows.length);
    if (next) {
      if (event.shiftKey) select((anchor.current ??= spot), next, false);
      else anchor.current = null;
      show(next);
    } else if (event.key === 'Enter') {
      if (row?.group) props.onFold(row.label);
      else props.onOpen(pickAt(spot));
    } else if (event.key === ' ') {
      if (row?.group) props.onFold(row.label);
      else props.onMark(pickAt(spot));
    } else if (event.key === 'x') {
      toggle(spot);
    } else if (!props.onKey(event.key, pickAt(spot))) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const at = (event: MouseEvent) => {
    const edge = canvas.current?.getBoundingClientRect();
    return edge ? spotAt(scene(), event.clientX - edge.left, event.clientY - edge.top) : null;
  };
  const onClick = (event: MouseEvent) => {
    const hit = at(event);
    if (!hit) return;
    const row = rows[hit.row];
    if (hit.run < 0) {
      if (row?.group) props.onFold(row.label);
      else props.onMark({ run: marked.run, task: row?.key ?? '' });
    } else if (hit.row < 0) {
      props.onMark({ run: data.runs[hit.run]?.id ?? '', task: '' });
    } else if (event.shiftKey) {
      select(spot, hit, true);
    } else if (event.ctrlKey || event.metaKey) {
      toggle(hit);
    } else {
      props.onMark(pickAt(hit));
    }
    if (hit.run >= 0 && hit.row >= 0) setSpot(hit);
    twin.current?.focus({ preventScroll: true });
  };
  const current: Spot = {
    run: Math.min(spot.run, data.runs.length - 1),
    row: Math.min(spot.row, rows.length - 1),
  };
  return (
    <div class="grid-wrap">
      <p class="grid-tip small muted" aria-hidden="true">
        {hover
          ? cellText(data, rows, hover)
          : focused
            ? cellText(data, rows, current)
            : 'Arrows move, Space shows, Enter opens, x selects, c clears'}
      </p>
      <div
        ref={box}
        class="grid-box"
        style={{ height: `${height}px` }}
        onScroll={() => {
          const node = box.current;
          if (node) atEnd.current = node.scrollLeft + node.clientWidth >= node.scrollWidth - CELL;
          draw();
        }}
      >
        <div
          class="grid-space"
          style={{
            width: `${labelWidth + data.runs.length * CELL + 8}px`,
            height: `${HEAD + rows.length * CELL + 4}px`,
          }}
        >
          <canvas
            ref={canvas}
            class="grid-canvas"
            aria-hidden="true"
            style={{ width: `${width}px`, height: `${height}px` }}
            onClick={onClick}
            onMouseMove={(event) => setHover(at(event))}
            onMouseLeave={() => setHover(null)}
            onDblClick={(event) => {
              const hit = at(event);
              if (hit) props.onOpen(pickAt(hit));
            }}
          />
        </div>
      </div>
      <div
        role="grid"
        class="grid-twin"
        aria-label="Runs and tasks"
        aria-rowcount={rows.length}
        aria-colcount={data.runs.length}
      >
        <div role="row" aria-rowindex={current.row + 1}>
          <div
            role="gridcell"
            ref={twin}
            tabIndex={0}
            aria-colindex={current.run + 1}
            data-grid-cell
            aria-selected={selected.has(
              cellKey(data.runs[current.run]?.id ?? '', rows[current.row]?.key ?? ''),
            )}
            onKeyDown={onKeyDown}
            onFocus={() => setFocused(true)}
            onBlur={() => setFocused(false)}
          >
            {cellText(data, rows, current)}
          </div>
        </div>
      </div>
    </div>
  );
}
