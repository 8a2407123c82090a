/** Four small charts over the list: how many, how many tokens, what they cost, how long they took. */

import { signal } from "@preact/signals";
import type { Strip as Shape } from "../api";
import { compact, cost, count, duration, msOf, timeOfDay, day } from "../lib/format";
import { set } from "../state/route";
import { q, strip } from "./data";
import { withRange } from "./words";

const HEIGHT = 30;

const P95_HERE = "Of the traces that began in this slice: the median, and the 95th percentile";
const P95_HIGHEST =
  "The median of the slices' medians, and the highest 95th percentile that a slice has";

/** The slice that is pointed at; -1 for none. */
const pointed = signal(-1);
/** The slice where a drag began; -1 while there is none. */
const dragged = signal(-1);

type Values = readonly (number | null)[];

const sum = (values: Values): number => values.reduce<number>((all, one) => all + (one ?? 0), 0);
const largest = (values: Values): number => values.reduce<number>((all, one) => Math.max(all, one ?? 0), 0);

/** Returns bars as one path: bar `i` spans `i` to `i + 1`, from `base` upwards. */
export function bars(values: Values, top: number, base?: Values): string {
  if (top <= 0) return "";
  return values
    .map((value, index) => {
      if (!value) return "";
      const from = HEIGHT - ((base?.[index] ?? 0) / top) * HEIGHT;
      // Something is never drawn as nothing.
      const tall = Math.max(1, (value / top) * HEIGHT);
      return `M${index + 0.12} ${round(from)}h0.76v${round(-tall)}h-0.76z`;
    })
    .join("");
}

/** Returns a line through the values, broken where there is none. */
export function line(values: Values, top: number): string {
  let path = "";
  let pen = false;
  values.forEach((value, index) => {
    if (value === null || top <= 0) {
      pen = false;
      return;
    }
    const y = round(HEIGHT - 1 - (value / top) * (HEIGHT - 2));
    path += pen ? `L${index + 0.5} ${y}` : `M${index + 0.1} ${y}L${index + 0.5} ${y}`;
    pen = true;
    if (values[index + 1] === null || index === values.length - 1) path += `L${index + 0.9} ${y}`;
  });
  return path;
}

const round = (value: number): number => Math.round(value * 100) / 100;

function sliceAt(event: PointerEvent, slices: number): number {
  const box = (event.currentTarget as Element).getBoundingClientRect();
  const at = Math.floor(((event.clientX - box.left) / box.width) * slices);
  return Math.min(Math.max(at, 0), slices - 1);
}

/** Writes a time as the search reads it. */
function written(ms: number): string {
  return `${day(ms)}T${timeOfDay(ms)}`;
}

function narrow(data: Shape, first: number, last: number): void {
  const from = msOf(data.from_ns);
  const step = msOf(data.bucket_ns);
  const range = [from + first * step, from + (last + 1) * step] as const;
  set({ q: withRange(q.value, written(Math.floor(range[0])), written(Math.ceil(range[1]))) }, "push");
}

interface ChartProps {
  data: Shape;
  label: string;
  value: string;
  detail?: string;
  /** What the numbers mean, where that is not plain. */
  title?: string;
  children: preact.ComponentChildren;
}

function Chart({ data, label, value, detail, title, children }: ChartProps) {
  const slices = data.traces.length;
  const first = Math.min(dragged.value, pointed.value);
  const last = Math.max(dragged.value, pointed.value);
  return (
    <figure class="chart">
      <figcaption title={title}>
        <span class="chart-label">{label}</span>
        <span class="chart-value">{value}</span>
        {detail && <span class="chart-detail">{detail}</span>}
      </figcaption>
      <svg
        viewBox={`0 0 ${slices} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}: ${value} ${detail ?? ""}`}
        onPointerMove={(event) => (pointed.value = sliceAt(event, slices))}
        onPointerLeave={() => dragged.value < 0 && (pointed.value = -1)}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          dragged.value = sliceAt(event, slices);
        }}
        onPointerUp={() => {
          if (dragged.value >= 0) narrow(data, first, last);
          dragged.value = -1;
        }}
        onPointerCancel={() => (dragged.value = -1)}
      >
        {pointed.value >= 0 && (
          <rect
            class="chart-pointed"
            x={dragged.value < 0 ? pointed.value : first}
            width={dragged.value < 0 ? 1 : last - first + 1}
            height={HEIGHT}
          />
        )}
        {children}
      </svg>
    </figure>
  );
}

/** Returns the value at the slice that is pointed at, else of all. */
function picked(values: Values, all: (values: Values) => number): number {
  return pointed.value >= 0 && pointed.value < values.length
    ? values[pointed.value] ?? 0
    : all(values);
}

export function Strip() {
  const data = strip.value;
  if (!data || data.traces.length === 0) return <section class="strip" aria-label="Over time" />;
  const tokens = data.tokens_in.map((value, index) => value + data.tokens_out[index]!);
  // What nobody reported is not nothing.
  const costs = data.cost_usd.some((value) => value);
  const here = pointed.value >= 0 && pointed.value < data.traces.length;
  const latest = largest(data.p95_ms);
  return (
    <section class="strip" aria-label="Over time">
      <Chart
        data={data}
        label="Traces"
        value={count(picked(data.traces, sum))}
        detail={`${count(picked(data.errors, sum))} errors`}
      >
        <path class="series-traces" d={bars(data.traces, largest(data.traces))} />
        <path class="series-errors" d={bars(data.errors, Math.max(largest(data.errors), largest(data.traces)))} />
      </Chart>
      <Chart
        data={data}
        label="Tokens"
        value={compact(picked(data.tokens_in, sum))}
        detail={`in, ${compact(picked(data.tokens_out, sum))} out`}
      >
        <path class="series-in" d={bars(data.tokens_in, largest(tokens))} />
        <path class="series-out" d={bars(data.tokens_out, largest(tokens), data.tokens_in)} />
      </Chart>
      <Chart
        data={data}
        label="Cost"
        value={costs ? cost(picked(data.cost_usd, sum)) : "–"}
        detail={costs ? "as reported" : "none reported"}
      >
        <path class="series-cost" d={bars(data.cost_usd, largest(data.cost_usd))} />
      </Chart>
      <Chart
        data={data}
        label="Latency"
        value={here || latest > 0 ? duration(picked(data.p50_ms, median) * 1e3) : "–"}
        detail={latest > 0
          ? `median, ${duration(picked(data.p95_ms, largest) * 1e3)} ${here ? "p95" : "highest p95"}`
          : "none has ended"}
        title={here ? P95_HERE : P95_HIGHEST}
      >
        <path class="series-p95" d={line(data.p95_ms, latest)} vector-effect="non-scaling-stroke" />
        <path class="series-p50" d={line(data.p50_ms, latest)} vector-effect="non-scaling-stroke" />
      </Chart>
      <p class="strip-range">{here ? slice(data, pointed.value) : sum(data.traces) > 0 && whole(data)}</p>
    </section>
  );
}

function median(values: Values): number {
  const there = values.filter((value) => value !== null).sort((a, b) => a - b);
  return there.length ? there[Math.floor(there.length / 2)]! : 0;
}

function slice(data: Shape, index: number): string {
  const from = msOf(data.from_ns) + index * msOf(data.bucket_ns);
  return `${day(from)} ${timeOfDay(from).slice(0, 8)} + ${duration(msOf(data.bucket_ns) * 1e3)}`;
}

function whole(data: Shape): string {
  const [from, to] = [msOf(data.from_ns), msOf(data.to_ns)];
  const until = day(from) === day(to) ? timeOfDay(to) : `${day(to)} ${timeOfDay(to)}`;
  return `${day(from)} ${timeOfDay(from).slice(0, 8)} to ${until.slice(0, -4)}`;
}
