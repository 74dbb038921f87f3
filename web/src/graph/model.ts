// The graph as the page draws it: tasks and folded groups as nodes, edges between what is visible.

export interface GraphTask {
  id: string;
  label: string;
  type: string;
  group: string | null;
  mapped: boolean;
}
export interface GraphEdge {
  from: string;
  to: string;
  dotted: boolean; // only because a template reads the other's output
}
export interface GraphGroup {
  id: string;
  parent: string | null;
}
export interface Graph {
  tasks: GraphTask[];
  edges: GraphEdge[];
  groups: GraphGroup[];
}

export interface Node {
  id: string; // "group:x" for a folded group
  label: string;
  type: string;
  members: string[]; // the tasks it stands for
  group: string | null;
  mapped: boolean;
}
export interface Visible {
  nodes: Node[];
  edges: GraphEdge[];
}

export interface Placed {
  id: string;
  x: number; // left
  y: number; // top
  width: number;
  height: number;
}
export interface Layout {
  nodes: Placed[];
  paths: { from: string; to: string; points: [number, number][] }[];
  width: number;
  height: number;
  method: 'dagre' | 'layers';
}

export const NODE_HEIGHT = 34;
const CHAR_WIDTH = 7.2;
export function nodeWidth(node: Node): number {
  const text = Math.max(node.label.length * CHAR_WIDTH, node.type.length * 6);
  return Math.round(Math.min(260, Math.max(96, text + 46)));
}

// Replaces each folded group by one node; edges are lifted to it and those inside it vanish.
export function fold(graph: Graph, folded: ReadonlySet<string>): Visible {
  const parents = new Map(graph.groups.map((group) => [group.id, group.parent]));
  const outermost = (group: string | null): string | null => {
    let found: string | null = null;
    for (let at = group, hops = 0; at !== null && hops < 64; at = parents.get(at) ?? null, hops++) {
      if (folded.has(at)) found = at;
    }
    return found;
  };
  const home = new Map<string, string>();
  const nodes = new Map<string, Node>();
  for (const task of graph.tasks) {
    const group = outermost(task.group);
    const id = group === null ? task.id : `group:${group}`;
    home.set(task.id, id);
    const node = nodes.get(id);
    if (node) {
      node.members.push(task.id);
      node.type = `${node.members.length} tasks`;
    } else if (group !== null) {
      nodes.set(id, { id, label: group, type: '1 task', members: [task.id], group, mapped: false });
    } else {
      nodes.set(id, {
        id,
        label: task.label,
        type: task.type,
        members: [task.id],
        group: task.group,
        mapped: task.mapped,
      });
    }
  }
  const edges = new Map<string, GraphEdge>();
  for (const edge of graph.edges) {
    const from = home.get(edge.from);
    const target = home.get(edge.to);
    if (!from || !target || from === target) continue;
    const key = `${from}\n${target}`;
    const old = edges.get(key);
    if (old) old.dotted = old.dotted && edge.dotted;
    else edges.set(key, { from, to: target, dotted: edge.dotted });
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

// All that leads to `start` (up) or follows from it, itself included.
export function reach(edges: GraphEdge[], start: Iterable<string>, up: boolean): Set<string> {
  const next = new Map<string, string[]>();
  for (const edge of edges) {
    const [key, value] = up ? [edge.to, edge.from] : [edge.from, edge.to];
    const list = next.get(key);
    if (list) list.push(value);
    else next.set(key, [value]);
  }
  const seen = new Set(start);
  const open = [...seen];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const one of next.get(id) ?? []) {
      if (seen.has(one)) continue;
      seen.add(one);
      open.push(one);
    }
  }
  return seen;
}
