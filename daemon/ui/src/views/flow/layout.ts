/** Where spans stand in the causal flow: in the lane of who ran them, each in its column. */

export interface FlowEdge {
  readonly from: number;
  readonly to: number;
  readonly kind: string;
  readonly label: string;
}

export interface Lane {
  readonly name: string;
  /** How many spans it holds. */
  readonly count: number;
}

export interface Flow {
  readonly lanes: readonly Lane[];
  /** The lane of each row. */
  readonly lane: Int32Array;
  /** The column of each row. */
  readonly column: Int32Array;
  /** The row in each column. */
  readonly rowAt: Int32Array;
  readonly edges: readonly FlowEdge[];
  /** Edges of row r: `incident[first[r]]` up to, not including, `incident[first[r + 1]]`. */
  readonly first: Int32Array;
  readonly incident: Int32Array;
}

/**
 * Places spans.
 *
 * @param rowsInOrder The rows as they began; the order of the columns.
 * @param parent Row of each parent, -1 for none: an edge of the kind `parent`.
 * @param laneName The lane of a row; lanes stand in the order of their first span.
 * @param others Further edges; those that do not join two rows are left out.
 */
export function layOut(
  rowsInOrder: ArrayLike<number>,
  parent: ArrayLike<number>,
  laneName: (row: number) => string,
  others: readonly FlowEdge[],
): Flow {
  const count = rowsInOrder.length;
  const column = new Int32Array(count);
  const rowAt = new Int32Array(count);
  const lane = new Int32Array(count);
  const lanes = new Map<string, number>();
  const counts: number[] = [];
  for (let place = 0; place < count; place++) {
    const row = rowsInOrder[place]!;
    column[row] = place;
    rowAt[place] = row;
    const name = laneName(row);
    let index = lanes.get(name);
    if (index === undefined) {
      index = lanes.size;
      lanes.set(name, index);
      counts.push(0);
    }
    lane[row] = index;
    counts[index]!++;
  }
  const edges = joined(count, parent, others);
  const names = [...lanes.keys()].map((name, index) => ({ name, count: counts[index]! }));
  return { lanes: names, lane, column, rowAt, edges, ...incidence(count, edges) };
}

export interface Window {
  readonly rows: readonly number[];
  readonly edges: readonly FlowEdge[];
}

// Of the edges of a span that leave the window in one direction so many of a kind are drawn: a
// root may have 100,000 children, whose edges run along one line.
const LEAVING_MAX = 3;

/**
 * Returns the rows in columns `from` to `to`, exclusive, and the edges that touch them: all that
 * join two of them, and of each row's others a few of a kind.
 */
export function windowOf(flow: Flow, from: number, to: number): Window {
  const rows: number[] = [];
  const edges = new Set<number>();
  const last = Math.min(to, flow.rowAt.length);
  for (let place = Math.max(0, from); place < last; place++) {
    const row = flow.rowAt[place]!;
    rows.push(row);
    const leaving = new Map<string, number>();
    for (let at = flow.first[row]!; at < flow.first[row + 1]!; at++) {
      const edge = flow.edges[flow.incident[at]!]!;
      const other = flow.column[edge.from === row ? edge.to : edge.from]!;
      if (other < from || other >= last) {
        const way = `${edge.kind} ${other < from ? "before" : "behind"}`;
        const drawn = leaving.get(way) ?? 0;
        if (drawn === LEAVING_MAX) continue;
        leaving.set(way, drawn + 1);
      }
      edges.add(flow.incident[at]!);
    }
  }
  return { rows, edges: [...edges].sort((a, b) => a - b).map((edge) => flow.edges[edge]!) };
}

/** Returns the rows that an edge joins with `row`, with the edge. */
export function neighbours(flow: Flow, row: number): readonly FlowEdge[] {
  const found: FlowEdge[] = [];
  for (let at = flow.first[row]!; at < flow.first[row + 1]!; at++) {
    found.push(flow.edges[flow.incident[at]!]!);
  }
  return found;
}

function joined(count: number, parent: ArrayLike<number>, others: readonly FlowEdge[]): FlowEdge[] {
  const edges: FlowEdge[] = [];
  for (let row = 0; row < count; row++) {
    if (parent[row]! >= 0) edges.push({ from: parent[row]!, to: row, kind: "parent", label: "" });
  }
  const isRow = (row: number) => Number.isInteger(row) && row >= 0 && row < count;
  for (const edge of others) {
    if (isRow(edge.from) && isRow(edge.to) && edge.from !== edge.to) edges.push(edge);
  }
  return edges;
}

function incidence(count: number, edges: readonly FlowEdge[]): Pick<Flow, "first" | "incident"> {
  const first = new Int32Array(count + 1);
  for (const edge of edges) {
    first[edge.from + 1]!++;
    first[edge.to + 1]!++;
  }
  for (let row = 0; row < count; row++) first[row + 1]! += first[row]!;
  const incident = new Int32Array(2 * edges.length);
  const next = first.slice();
  edges.forEach((edge, index) => {
    incident[next[edge.from]!++] = index;
    incident[next[edge.to]!++] = index;
  });
  return { first, incident };
}
