/** Every vector of bindings/conformance that this binding has a part in. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { resolveAddress } from "../src/address.js";
import { backOffCeilingMs, decide, isSettled } from "../src/decision.js";
import { type Frame, frameHead, FrameSplitter, FrameType } from "../src/frames.js";
import * as limits from "../src/limits.js";
import * as otlp from "../src/otlp.js";
import { Writer } from "../src/protobuf.js";
import { cutText, writeAnyValue } from "../src/value.js";
import * as w3c from "../src/w3c.js";
import * as wire from "../src/wire.js";

const VECTORS = join(fileURLToPath(import.meta.url), "../../../../../conformance");

// The vectors are read as they stand: a missing key fails the assertion that uses it.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Case = any;

function read(name: string): Record<string, Case[]> {
  const found = JSON.parse(readFileSync(join(VECTORS, `${name}.json`), "utf8"));
  assert.equal(found.format, 1);
  return found;
}

function each(file: string, key: string, check: (c: Case) => void): void {
  const cases = read(file)[key];
  assert.ok(cases !== undefined && cases.length > 0, `${file}.json has no ${key}`);
  for (const [index, one] of cases.entries()) {
    test(`${file} ${key}: ${one.name ?? index}`, () => check(one));
  }
}

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const types = read("frames")["types"] as unknown as Record<string, number>;

test("frames types", () => assert.deepEqual({ ...FrameType }, types));

each("frames", "encode", (c) => {
  const body = hex(c.body);
  const frame = Buffer.concat([frameHead(types[c.type]!, BigInt(c.seq), body.length), body]);
  assert.equal(frame.toString("hex"), c.frame);
});

each("frames", "split", (c) => {
  const splitter = new FrameSplitter();
  const frames = c.chunks.flatMap((chunk: string) => splitter.feed(hex(chunk)));
  const expected = c.frames.map((f: Case) => [types[f.type], BigInt(f.seq), f.body]);
  assert.deepEqual(
    frames.map((f: Frame) => [f.type, f.seq, f.body.toString("hex")]),
    expected,
  );
  assert.equal(splitter.restBytes, c.rest_bytes);
});

each("frames", "malformed", (c) => {
  assert.throws(() => new FrameSplitter().feed(hex(c.bytes)), RangeError);
});

const camel = (name: string): string => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

each("messages", "encode", (c) => {
  const f = c.fields;
  if (c.message === "Hello") {
    const hello = wire.encodeHello({
      instanceId: hex(f.instance_id),
      protocolVersionMin: Number(f.protocol_version_min),
      protocolVersionMax: Number(f.protocol_version_max),
      client: f.client,
      ackedSeq: BigInt(f.acked_seq),
    });
    assert.equal(hello.toString("hex"), c.bytes);
  } else if (c.message === "Records") {
    const [traces, marks, logs, ended] = [f.traces, f.marks, f.logs, f.ended].map(hex);
    const records = wire.encodeRecords({ traces, marks, logs, ended } as wire.Records);
    assert.equal(records.toString("hex"), c.bytes);
  } else {
    // The messages of gRPC; this binding speaks frames.
    assert.ok(["RecordRequest", "ClientMessage", "Bye"].includes(c.message), c.message);
  }
});

const decoders: Record<string, (body: Buffer) => object> = {
  HelloAck: wire.decodeHelloAck,
  Ack: wire.decodeAck,
  Nack: wire.decodeNack,
  Control: (body) => ({ drain: wire.decodeDrain(body) }),
};

each("messages", "decode", (c) => {
  const decode = decoders[c.message];
  if (decode === undefined) {
    assert.ok(["RecorderMessage"].includes(c.message), c.message);
    return;
  }
  const found = decode(hex(c.bytes)) as Record<string, unknown>;
  for (const [name, expected] of Object.entries(c.fields)) {
    const value = found[camel(name)];
    assert.ok(value !== undefined, name);
    assert.equal(typeof value === "boolean" ? value : String(value), expected, name);
  }
});

each("messages", "malformed", (c) => {
  const decode = decoders[c.message];
  if (decode !== undefined) assert.throws(() => decode(hex(c.bytes)), RangeError);
});

function valueOf(v: Case): unknown {
  if ("string" in v) return v.string;
  if ("bool" in v) return v.bool;
  if ("int" in v) return BigInt(v.int);
  if ("double" in v) return new Double(Number(v.double));
  if ("bytes" in v) return hex(v.bytes);
  if ("array" in v) return v.array.map(valueOf);
  if ("map" in v) return new Map(v.map.map(([key, member]: Case) => [key, valueOf(member)]));
  return undefined;
}

/** JavaScript has one kind of number; a whole one is an integer to this binding. */
class Double {
  constructor(readonly value: number) {}
  toJSON(): number {
    return this.value;
  }
}

function anyValue(value: unknown): string {
  const out = new Writer();
  writeAnyValue(out, value);
  return out.take().toString("hex");
}

each("otlp", "values", (c) => {
  if ("double" in c.value && Number.isInteger(Number(c.value.double)) && c.value.double !== "-0.0") {
    return;
  }
  assert.equal(anyValue(valueOf(c.value)), c.bytes);
});

function attributesOf(pairs: Case): otlp.Attributes {
  return Object.fromEntries(pairs.map(([key, value]: Case) => [key, valueOf(value)]));
}

function spanOf(s: Case): Buffer {
  const record = {
    context: {
      traceId: s.trace_id,
      spanId: s.span_id,
      traceFlags: s.flags & 0xff,
      traceState: s.trace_state ?? "",
      isRemote: false,
    },
    parent:
      s.parent_span_id === undefined
        ? undefined
        : { spanId: s.parent_span_id, isRemote: (s.flags & 0x200) !== 0 },
    name: s.name,
    kind: s.kind,
    start: BigInt(s.start_ns),
    end: s.end_ns === undefined ? undefined : BigInt(s.end_ns),
  };
  return otlp.span(record, () => {
    const attributes = attributesOf(s.attributes ?? []);
    for (const [key, value] of Object.entries(attributes)) otlp.write.attribute(key, value);
    for (const e of s.events ?? []) {
      otlp.write.event(e.name, BigInt(e.time_ns), attributesOf(e.attributes));
    }
    for (const link of s.links ?? []) {
      const context = {
        traceId: link.trace_id,
        spanId: link.span_id,
        traceFlags: link.flags & 0xff,
        traceState: link.trace_state ?? "",
        isRemote: (link.flags & 0x200) !== 0,
      };
      otlp.write.link(context, attributesOf(link.attributes));
    }
    if (s.status !== undefined) otlp.write.status(s.status.code, s.status.message);
  });
}

test("a time in seconds and nanoseconds is written as in nanoseconds", () => {
  for (const [seconds, nanos] of [[0, 0], [1, 999_999_999], [1_790_000_000, 1], [18_446_744_073, 709_551_615]]) {
    const [one, other] = [new Writer(), new Writer()];
    one.fixed64Time(seconds!, nanos!);
    other.fixed64(BigInt(seconds!) * 1_000_000_000n + BigInt(nanos!));
    assert.deepEqual(one.take(), other.take());
  }
});

each("otlp", "spans", (c) => assert.equal(spanOf(c.span).toString("hex"), c.bytes));

each("otlp", "requests", (c) => {
  const resource = otlp.resource(attributesOf(c.resource));
  const scope = otlp.scope(c.scope.name, c.scope.version);
  const items = c.spans.map((s: Case) => ({ span: spanOf(s), scope, resource }));
  assert.equal(otlp.exportRequest(items).toString("hex"), c.bytes);
});

each("tokens", "carried", (c) => assert.equal(w3c.isToken(c.text), c.carried));
each("tokens", "valid", (c) => assert.ok(w3c.isToken(c.text)));

each("tracestate", "traceparent", (c) => {
  const found = w3c.parseTraceparent(c.text);
  const expected = c.expected && {
    traceId: c.expected.trace_id,
    spanId: c.expected.span_id,
    flags: c.expected.flags,
  };
  assert.deepEqual(found ?? null, expected);
});
each("tracestate", "traceparent_written", (c) => {
  const { trace_id: traceId, span_id: spanId, flags } = c;
  assert.equal(w3c.formatTraceparent({ traceId, spanId, flags }), c.text);
});
each("tracestate", "parse", (c) => assert.equal(w3c.parseTracestate(c.text), c.expected));
each("tracestate", "with_token", (c) => {
  assert.equal(w3c.withToken(c.tracestate, c.token), c.expected);
});
each("tracestate", "find_token", (c) => {
  assert.equal(w3c.findToken(c.tracestate) ?? null, c.expected);
});

function answerOf(a: Case): Frame | undefined {
  if (a.type === "EOF") return undefined;
  const out = new Writer();
  if (a.type === "NACK") {
    out.byte(0x08);
    out.varint(a.code_number);
    out.byte(0x18);
    out.varint(a.retry_after_ms);
  }
  return { type: types[a.type]!, seq: BigInt(a.seq), body: out.take() };
}

each("retry", "answers", (c) => {
  const { spans, connection, waitMs } = decide(answerOf(c.answer));
  assert.deepEqual({ spans, connection, wait_ms: waitMs }, c.decision);
});

each("retry", "resume", (c) => {
  const settled = (seq: string): boolean => isSettled(BigInt(seq), BigInt(c.last_seq));
  assert.deepEqual(c.pending.filter(settled), c.stored);
  assert.deepEqual(c.pending.filter((seq: string) => !settled(seq)), c.resend);
});

test("retry back_off_ms", () => {
  const ceilings = read("retry")["back_off_ms"]!;
  assert.deepEqual(
    ceilings.map((_, index) => backOffCeilingMs(index + 1)),
    ceilings,
  );
});

each("limits", "limits", (c) => {
  const name = c.name.toUpperCase().replace(/^(RETRY_.*)_(FIRST|MAX)_MS$/, "$1_$2_MS");
  const own = (limits as Record<string, number>)[name];
  assert.ok(own !== undefined, `no bound ${name}`);
  if (c.over.startsWith("exact")) assert.equal(own, c.value);
  else assert.ok(own <= c.value, `${own} is over ${c.value}`);
});
each("limits", "cuts", (c) => assert.equal(cutText(c.text, c.bytes_max), c.expected));

each("address", "cases", (c) => {
  const find = (): string =>
    resolveAddress(c.given, c.environment, (path) => c.exists.includes(path));
  if (c.expected?.transport === "frames") assert.equal(find(), c.expected.target);
  else assert.throws(find, RangeError);
});
