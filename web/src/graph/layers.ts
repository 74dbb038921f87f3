// Layered layout of large graphs, left to right, in time linear in nodes and edges: a node's layer
// is the longest path to it; four barycentre sweeps order each layer; edges over several layers run
// through the gaps. Dagre does better on small graphs, but takes minutes for thousands of nodes.
import { type Layout, NODE_HEIGHT, nodeWidth, type Placed, type Visible } from './model';

const GAP_X = 56;
const GAP_Y = 12;
const SWEEPS = 4;

interface Links {
  down: number[][];
  up: number[][];
}

function linksOf(graph: Visible): Links {
  const index = new Map(graph.nodes.map((node, i) => [node.id, i]));
  const down: number[][] = graph.nodes.map(() => []);
  const up: number[][] = graph.nodes.map(() => []);
  for (const edge of graph.edges) {
    const from = index.get(edge.from);
    const to = index.get(edge.to);
    if (from === undefined || to === undefined || from === to) continue;
    down[from]?.push(to);
    up[to]?.push(from);
  }
  return { down, up };
}

// Longest path from a root. A graph of tasks has no cycle, but folding groups can make one: what is
// never freed of its upstreams goes one layer behind the last.
export function layersOf(links: Links): number[] {
  const total = links.down.length;
  const layer = new Array<number>(total).fill(0);
  const waits = links.up.map((list) => list.length);
  const open: number[] = [];
  for (let i = 0; i < total; i++) if (waits[i] === 0) open.push(i);
  let done = 0;
  let last = 0;
  while (done < open.length) {
    const at = open[done++] as number;
    const depth = layer[at] as number;
    last = Math.max(last, depth);
    for (const next of links.down[at] ?? []) {
      layer[next] = Math.max(layer[next] as number, depth + 1);
      waits[next] = (waits[next] as number) - 1;
      if (waits[next] === 0) open.push(next);
    }
  }
  if (done < total) {
    const freed = new Set(open);
    for (let i = 0; i < total; i++) if (!freed.has(i)) layer[i] = last + 1;
  }
  return layer;
}

// Sorts each layer by the mean position of its neighbours in the layers already sorted.
function sweep(rows: number[][], position: number[], near: number[][], forward: boolean): void {
  const order = forward ? rows.keys() : [...rows.keys()].reverse();
  for (const r of order) {
    const row = rows[r] as number[];
    const mean = new Map<number, number>();
    for (const node of row) {
      const list = near[node] ?? [];
      let sum = 0;
      for (const other of list) sum += position[other] as number;
      mean.set(node, list.length > 0 ? sum / list.length : (position[node] as number));
    }
    row.sort((a, b) => (mean.get(a) as number) - (mean.get(b) as number) || a - b);
    spread(row, position);
  }
}

// Positions are fractions of the layer's height, so that layers of unequal length can be compared.
function spread(row: number[], position: number[]): void {
  row.forEach((node, i) => {
    position[node] = (i + 0.5) / row.length;
  });
}

export function crossings(graph: Visible, layout: Layout): number {
  const y = new Map(layout.nodes.map((node) => [node.id, node]));
  const lines = graph.edges.map((edge) => [y.get(edge.from), y.get(edge.to)] as const);
  let found = 0;
  for (let i = 0; i < lines.length; i++) {
    for (let j = i + 1; j < lines.length; j++) {
      const [a, b] = lines[i] as [Placed, Placed];
      const [c, d] = lines[j] as [Placed, Placed];
      if (a.x === c.x && b.x === d.x && (a.y - c.y) * (b.y - d.y) < 0) found += 1;
    }
  }
  return found;
}

export function layeredLayout(graph: Visible): Layout {
  const links = linksOf(graph);
  const layer = layersOf(links);
  const rows: number[][] = [];
  layer.forEach((depth, node) => {
    (rows[depth] ??= []).push(node);
  });
  for (let r = 0; r < rows.length; r++) rows[r] ??= [];
  const position = new Array<number>(graph.nodes.length).fill(0);
  for (const row of rows) spread(row, position);
  for (let i = 0; i < SWEEPS; i++)
    sweep(rows, position, i % 2 === 0 ? links.up : links.down, i % 2 === 0);
  return place(graph, rows);
}

function place(graph: Visible, rows: number[][]): Layout {
  const tallest = Math.max(1, ...rows.map((row) => row.length));
  const height = tallest * (NODE_HEIGHT + GAP_Y);
  const nodes: Placed[] = [];
  const byId = new Map<string, Placed>();
  let x = 0;
  for (const row of rows) {
    const widths = row.map((i) => nodeWidth(graph.nodes[i] as Visible['nodes'][number]));
    const wide = Math.max(0, ...widths);
    const top = (height - row.length * (NODE_HEIGHT + GAP_Y)) / 2;
    row.forEach((i, k) => {
      const id = (graph.nodes[i] as Visible['nodes'][number]).id;
      const placed = {
        id,
        x,
        y: top + k * (NODE_HEIGHT + GAP_Y),
        width: widths[k] ?? 0,
        height: NODE_HEIGHT,
      };
      nodes.push(placed);
      byId.set(id, placed);
    });
    x += wide + GAP_X;
  }
  const paths: Layout['paths'] = [];
  for (const edge of graph.edges) {
    const from = byId.get(edge.from);
    const to = byId.get(edge.to);
    if (!from || !to) continue;
    paths.push({
      from: edge.from,
      to: edge.to,
      points: [
        [from.x + from.width, from.y + from.height / 2],
        [to.x, to.y + to.height / 2],
      ],
    });
  }
  return { nodes, paths, width: Math.max(0, x - GAP_X), height, method: 'layers' };
}
