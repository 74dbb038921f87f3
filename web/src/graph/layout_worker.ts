// Lays out graphs away from the page's thread. Dagre is fetched only when there is a graph to draw
// that is small enough for it.
import { layeredLayout } from './layers';
import { type Layout, NODE_HEIGHT, nodeWidth, type Visible } from './model';

export const MOST_FOR_DAGRE = 300;

export interface LayoutQuestion {
  id: number;
  graph: Visible;
}
export interface LayoutAnswer {
  id: number;
  layout: Layout;
}

async function dagreLayout(graph: Visible): Promise<Layout> {
  const dagre = await import('@dagrejs/dagre');
  const drawn = new dagre.graphlib.Graph();
  drawn.setGraph({ rankdir: 'LR', nodesep: 14, ranksep: 52, edgesep: 8, marginx: 0, marginy: 0 });
  drawn.setDefaultEdgeLabel(() => ({}));
  for (const node of graph.nodes) {
    drawn.setNode(node.id, { width: nodeWidth(node), height: NODE_HEIGHT });
  }
  for (const edge of graph.edges) drawn.setEdge(edge.from, edge.to);
  dagre.layout(drawn);
  const nodes = graph.nodes.map((node) => {
    const at = drawn.node(node.id) as { x: number; y: number; width: number; height: number };
    return {
      id: node.id,
      x: at.x - at.width / 2,
      y: at.y - at.height / 2,
      width: at.width,
      height: at.height,
    };
  });
  const paths = graph.edges.map((edge) => {
    const points = (drawn.edge(edge.from, edge.to) as { points?: { x: number; y: number }[] })
      .points;
    return {
      from: edge.from,
      to: edge.to,
      points: (points ?? []).map((p) => [p.x, p.y] as [number, number]),
    };
  });
  const whole = drawn.graph() as { width?: number; height?: number };
  return { nodes, paths, width: whole.width ?? 0, height: whole.height ?? 0, method: 'dagre' };
}

addEventListener('message', (message: MessageEvent<LayoutQuestion>) => {
  const { id, graph } = message.data;
  const work =
    graph.nodes.length <= MOST_FOR_DAGRE
      ? dagreLayout(graph).catch(() => layeredLayout(graph))
      : Promise.resolve(layeredLayout(graph));
  void work.then((layout) => postMessage({ id, layout } satisfies LayoutAnswer));
});
