/** What the causal flow shows: whose lanes, which edges, and which two spans are asked about. */

import { computed, signal } from "@preact/signals";
import { comparedSpan, param, selectedSpan, set } from "../../state/route";
import { skeleton } from "../../state/trace";
import type { Skeleton } from "../../state/skeleton";
import { clockMoments } from "../playhead/stage";
import { widthFor, WIDTHS } from "./geometry";
import { layOut, type Flow, type FlowEdge } from "./layout";

export const LANES = ["process", "agent", "service", "node", "kind"] as const;
export type LaneBy = (typeof LANES)[number];

/** Kinds of edge, the strongest evidence first, with what each says of its first span. */
export const EDGES: Readonly<Record<string, string>> = {
  token: "is cited by its token in",
  tool_call: "is joined by a tool-call id with",
  link: "is linked to by",
  handoff: "handed over to",
  retry_of: "was tried again as",
  parent: "is the parent of",
};

/** By what the lanes are: as asked for, else the first by which there is more than one. */
export const laneBy = computed<LaneBy>(() => {
  const asked = LANES.find((one) => one === param("lanes"));
  if (asked !== undefined) return asked;
  const trace = skeleton.value;
  const several = (column: Uint32Array) => column.some((name) => name !== column[0]);
  if (trace === null || several(trace.process)) return "process";
  return trace.agent.some((name) => trace.strings[name] !== "" && name !== trace.agent[0])
    ? "agent"
    : "kind";
});

/** Width of the chart's box, in pixels. */
export const room = signal(1_000);

/** Width of a column: as chosen, else the widest with which the trace fits, if one does. */
export const columnWidth = computed<number>(() => {
  const asked = Number(param("w"));
  return WIDTHS.includes(asked) ? asked : widthFor(skeleton.value?.count ?? 0, room.value);
});

/** Kinds of edge that are hidden. */
export const hiddenKinds = computed<ReadonlySet<string>>(
  () =>
    new Set(
      param("hide")
        .split(",")
        .filter((kind) => kind in EDGES),
    ),
);

/** Returns what an edge says of its first span: a tool gives what a model asked it for. */
export function edgeSays(kind: string, from: number): string {
  if (kind !== "tool_call") return EDGES[kind] ?? kind;
  const trace = skeleton.value!;
  return trace.text(trace.aiKind, from) === "tool" ? "gave its result to" : "asked for";
}

/** Shows or hides the edges of a kind. */
export function toggleKind(kind: string): void {
  const kinds = new Set(hiddenKinds.value);
  if (!kinds.delete(kind)) kinds.add(kind);
  set({ hide: [...kinds].sort().join(",") });
}

export const flow = computed<Flow | null>(() => {
  const trace = skeleton.value;
  const order = clockMoments.value;
  if (trace === null || order === null) return null;
  const begun = order.row.filter((_, index) => order.ends[index] === 0);
  return layOut(begun, trace.parent, laneNamer(trace, laneBy.value), trace.edges as FlowEdge[]);
});

/** The services in each lane, where lanes are processes: a process itself is but a number. */
export const laneServices = computed<readonly string[]>(() => {
  const trace = skeleton.value;
  const laid = flow.value;
  if (trace === null || laid === null || laneBy.value !== "process") return [];
  const found = laid.lanes.map(() => new Set<string>());
  for (let row = 0; row < trace.count; row += 1) {
    const service = trace.text(trace.service, row);
    if (service !== "" && service !== laid.lanes[laid.lane[row]!]!.name) {
      found[laid.lane[row]!]!.add(service);
    }
  }
  return found.map((services) => [...services].join(", "));
});

/** How many edges there are of each kind. */
export const edgeCounts = computed<ReadonlyMap<string, number>>(() => {
  const counts = new Map<string, number>();
  for (const { kind } of flow.value?.edges ?? []) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
});

/** The row that the keyboard is on; -1 for none. */
export const cursor = signal(-1);

export const rowA = computed(() => skeleton.value?.rowOf(selectedSpan.value) ?? -1);
export const rowB = computed(() => skeleton.value?.rowOf(comparedSpan.value) ?? -1);

/** Takes a span as A, or as B where there is an A; a third one begins anew, A again lets it go. */
export function pick(row: number): void {
  const id = skeleton.value!.spanId[row]!;
  if (rowA.value === row) set({ span: comparedSpan.value || null, b: null });
  else if (rowB.value === row) set({ b: null });
  else if (rowA.value >= 0 && rowB.value < 0) set({ b: id }, "push");
  else set({ span: id, b: null });
}

/** Lets A and B change places. */
export function swap(): void {
  if (rowB.value >= 0) set({ span: comparedSpan.value, b: selectedSpan.value });
}

function laneNamer(trace: Skeleton, by: LaneBy): (row: number) => string {
  if (by === "node" || by === "service" || by === "process") {
    const column = trace[by];
    return (row) => trace.text(column, row) || trace.text(trace.service, row) || "unknown";
  }
  if (by === "kind") {
    return (row) => trace.text(trace.aiKind, row) || trace.text(trace.kind, row) || "span";
  }
  // What runs below an agent's span is the agent's doing, unless it names another one.
  const names: string[] = [];
  for (let row = 0; row < trace.count; row += 1) {
    const parent = trace.parent[row]!;
    names.push(trace.text(trace.agent, row) || (parent >= 0 ? names[parent]! : "no agent"));
  }
  return (row) => names[row]!;
}
