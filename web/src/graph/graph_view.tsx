// The graph of a DAG as SVG: folded groups, live states, what is up- and downstream of the chosen
// node. Only nodes in sight are drawn, so that 3,000 nodes scroll as well as 30.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import { LOOKS, stateLabel, type StateWord } from '../base/states';
import { Glyph } from '../ui/state';
import type { LayoutAnswer } from './layout_worker';
import { type Graph, type Layout, type Placed, fold, reach, type Visible } from './model';

interface GraphProps {
  graph: Graph;
  folded: ReadonlySet<string>;
  chosen: string;
  filter: string;
  failedPaths: boolean; // only failed tasks and what they wait for
  stateOf: (members: string[]) => StateWord | null; // null: no run is chosen
  onChoose: (id: string) => void;
  onOpen: (id: string) => void;
  onFold: (group: string) => void;
}

const MARGIN = 16;

// One worker for the page; answers that were overtaken are dropped.
function useLayout(visible: Visible): Layout | null {
  const [layout, setLayout] = useState<Layout | null>(null);
  const worker = useRef<Worker | null>(null);
  const asked = useRef(0);
  useEffect(() => () => worker.current?.terminate(), []);
  useEffect(() => {
    worker.current ??= new Worker(new URL('./layout_worker.ts', import.meta.url), {
      type: 'module',
    });
    const id = ++asked.current;
    worker.current.onmessage = (message: MessageEvent<LayoutAnswer>) => {
      if (message.data.id === asked.current) setLayout(message.data.layout);
    };
    worker.current.postMessage({ id, graph: visible });
  }, [visible]);
  return layout;
}

function pathOf(points: [number, number][]): string {
  const [first, ...rest] = points;
  const last = rest.pop();
  if (!first || !last) return '';
  if (rest.length === 0) {
    const middle = (first[0] + last[0]) / 2;
    return `M${first}C${middle},${first[1]} ${middle},${last[1]} ${last}`;
  }
  let path = `M${first}`;
  rest.forEach((point, i) => {
    const next = rest[i + 1];
    const end = next ? [(point[0] + next[0]) / 2, (point[1] + next[1]) / 2] : last;
    path += `Q${point} ${end}`;
  });
  return path;
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}
const EVERYTHING: Box = { left: -1e9, top: -1e9, right: 1e9, bottom: 1e9 };

function inSight(box: Box, x1: number, y1: number, x2: number, y2: number): boolean {
  return x2 >= box.left && x1 <= box.right && y2 >= box.top && y1 <= box.bottom;
}

export function GraphView(props: GraphProps) {
  const { graph, folded, chosen, filter } = props;
  const shown = useMemo(() => {
    const whole = fold(graph, folded);
    if (!props.failedPaths) return whole;
    const failed = whole.nodes.filter((node) =>
      ['failed', 'upstream_failed', 'up_for_retry'].includes(props.stateOf(node.members) ?? ''),
    );
    const keep = reach(
      whole.edges,
      failed.map((node) => node.id),
      true,
    );
    return {
      nodes: whole.nodes.filter((node) => keep.has(node.id)),
      edges: whole.edges.filter((edge) => keep.has(edge.from) && keep.has(edge.to)),
    };
    // States change often; the picture is laid out again only when the switch is used.
  }, [graph, folded, props.failedPaths]);
  const layout = useLayout(shown);
  const scroller = useRef<HTMLDivElement>(null);
  const [zoom, setZoom] = useState(1);
  const [box, setBox] = useState<Box>(EVERYTHING);
  const related = useMemo(
    () =>
      chosen === ''
        ? null
        : new Set([...reach(shown.edges, [chosen], true), ...reach(shown.edges, [chosen], false)]),
    [shown, chosen],
  );
  const measure = () => {
    const node = scroller.current;
    if (!node || shown.nodes.length < 200) return setBox(EVERYTHING);
    const [w, h] = [node.clientWidth, node.clientHeight];
    setBox({
      left: (node.scrollLeft - w) / zoom,
      top: (node.scrollTop - h) / zoom,
      right: (node.scrollLeft + 2 * w) / zoom,
      bottom: (node.scrollTop + 2 * h) / zoom,
    });
  };
  useEffect(measure, [layout, zoom]);
  useEffect(() => {
    const node = scroller.current;
    if (!node || !layout) return;
    const fit = Math.min(1, (node.clientWidth - 2 * MARGIN) / Math.max(1, layout.width));
    setZoom(shown.nodes.length > 60 ? Math.max(0.5, fit) : Math.max(0.75, fit));
  }, [layout !== null]);
  if (!layout) return <div class="graph-box" />;
  const nodes = new Map(shown.nodes.map((node) => [node.id, node]));
  const wanted = filter.toLowerCase();
  const faded = (id: string) =>
    (related !== null && !related.has(id)) || (wanted !== '' && !id.toLowerCase().includes(wanted));
  const dotted = new Set(
    shown.edges.filter((edge) => edge.dotted).map((e) => `${e.from}\n${e.to}`),
  );
  const width = layout.width + 2 * MARGIN;
  const height = layout.height + 2 * MARGIN;
  return (
    <div class="graph-wrap">
      <div class="graph-tools row">
        <button
          class="plain"
          aria-label="Zoom out"
          onClick={() => setZoom(Math.max(0.1, zoom / 1.25))}
        >
          −
        </button>
        <button class="plain" onClick={() => setZoom(1)}>
          {Math.round(zoom * 100)} %
        </button>
        <button
          class="plain"
          aria-label="Zoom in"
          onClick={() => setZoom(Math.min(3, zoom * 1.25))}
        >
          +
        </button>
        <span class="muted small">{shown.nodes.length} nodes</span>
      </div>
      <div
        class="graph-box"
        ref={scroller}
        onScroll={measure}
        tabIndex={0}
        role="region"
        aria-label="Graph"
      >
        <svg
          width={width * zoom}
          height={height * zoom}
          viewBox={`${-MARGIN} ${-MARGIN} ${width} ${height}`}
          class="graph-svg"
        >
          {layout.paths.map((path) => {
            const [from] = path.points;
            const last = path.points[path.points.length - 1];
            if (
              !from ||
              !last ||
              !inSight(
                box,
                from[0],
                Math.min(from[1], last[1]),
                last[0],
                Math.max(from[1], last[1]),
              )
            )
              return null;
            const key = `${path.from}\n${path.to}`;
            return (
              <path
                key={key}
                d={pathOf(path.points)}
                class={`edge-line${dotted.has(key) ? ' dotted' : ''}${
                  related && related.has(path.from) && related.has(path.to)
                    ? ' lit'
                    : related
                      ? ' faded'
                      : ''
                }`}
              />
            );
          })}
          {layout.nodes.map((at) => {
            const node = nodes.get(at.id);
            if (!node || !inSight(box, at.x, at.y, at.x + at.width, at.y + at.height)) return null;
            return (
              <NodeBox
                key={at.id}
                at={at}
                label={node.label}
                type={node.type}
                mapped={node.mapped}
                group={at.id.startsWith('group:')}
                state={props.stateOf(node.members)}
                chosen={at.id === chosen}
                faded={faded(at.id)}
                onClick={() => props.onChoose(at.id === chosen ? '' : at.id)}
                onOpen={() =>
                  at.id.startsWith('group:') ? props.onFold(node.label) : props.onOpen(at.id)
                }
              />
            );
          })}
        </svg>
      </div>
    </div>
  );
}

interface NodeProps {
  at: Placed;
  label: string;
  type: string;
  mapped: boolean;
  group: boolean;
  state: StateWord | null;
  chosen: boolean;
  faded: boolean;
  onClick: () => void;
  onOpen: () => void;
}

function NodeBox({
  at,
  label,
  type,
  mapped,
  group,
  state,
  chosen,
  faded,
  onClick,
  onOpen,
}: NodeProps) {
  const word = state ? `, ${stateLabel(state)}` : '';
  const said = `${label} ${type}${word}${group ? ', folded group' : ''}`;
  return (
    <g
      class={`node${chosen ? ' chosen' : ''}${faded ? ' faded' : ''}`}
      transform={`translate(${at.x} ${at.y})`}
      role="button"
      tabIndex={0}
      aria-label={said}
      aria-pressed={chosen}
      onClick={onClick}
      onDblClick={onOpen}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        event.stopPropagation();
        if (event.key === 'Enter') onOpen();
        else onClick();
      }}
    >
      {(group || mapped) && (
        <rect x="3" y="3" width={at.width} height={at.height} rx="5" class="node-back" />
      )}
      <rect width={at.width} height={at.height} rx="5" class="node-box" />
      {state && <rect width="4" height={at.height} rx="2" fill={LOOKS[state].fill || 'none'} />}
      <g transform="translate(11 9)">
        {state ? (
          <svg width="16" height="16">
            <Glyph state={state} />
          </svg>
        ) : (
          <circle cx="8" cy="8" r="3" class="node-dot" />
        )}
      </g>
      <text x="34" y="15" class="node-label">
        {cut(label, at.width - 40, 7.2)}
      </text>{' '}
      <text x="34" y="27" class="node-type">
        {cut(type, at.width - 40, 6)}
      </text>
    </g>
  );
}

function cut(text: string, room: number, letter: number): string {
  const most = Math.floor(room / letter);
  return text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text;
}
