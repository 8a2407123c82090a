/** The bridge for OpenTelemetry, with the SDK as it is, against the real daemon. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { CompositePropagator } from "@opentelemetry/core";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

import { bridge, register } from "../src/otel/index.js";
import { Daemon, PYTHON, waitUntil } from "./support/daemon.js";

const options = PYTHON === "" ? { skip: "SIDESPAN_TEST_PYTHON names no interpreter" } : {};

test("spans of the SDK arrive whole, and open ones while they are open", options, async () => {
  const daemon = await new Daemon().start();
  const parts = bridge({ socket: daemon.socket, markAfterMs: 20 });
  const provider = new NodeTracerProvider({ spanProcessors: [parts.spanProcessor] });
  try {
    const tracer = provider.getTracer("agent", "1.2");
    const root = tracer.startSpan("plan", { kind: SpanKind.SERVER, attributes: { model: "m-1" } });
    const within = trace.setSpan(context.active(), root);
    tracer.startSpan("tool", { links: [{ context: root.spanContext() }] }, within).end();
    await waitUntil(
      async () => JSON.stringify(await daemon.cli("ls", "--open")).includes(root.spanContext().spanId),
      "the open span",
    );
    root.setAttribute("tokens", 12).addEvent("half way", { step: 1 });
    root.setStatus({ code: SpanStatusCode.ERROR, message: "no" });
    root.end();
    assert.equal(await parts.flush(), true);
    const spans = await daemon.spans();
    assert.equal(spans.length, 2);
    const plan = spans.find((s) => s.name === "plan")!;
    const tool = spans.find((s) => s.name === "tool")!;
    assert.equal(tool.parent_span_id, plan.span_id);
    const text = JSON.stringify(plan);
    for (const part of ["m-1", "tokens", "half way", "no"]) assert.ok(text.includes(part), part);
    const { recorded, acked, dropped } = parts.status();
    assert.deepEqual([recorded, acked, dropped], [2, 2, 0]);
    assert.equal(JSON.stringify(await daemon.cli("ls", "--open")).includes(plan.span_id), false);
  } finally {
    await provider.shutdown();
    await daemon.dispose();
  }
});

test("the propagator carries the newest token beside other members", options, async () => {
  const daemon = await new Daemon().start();
  const parts = bridge({ socket: daemon.socket });
  const provider = new NodeTracerProvider({ spanProcessors: [parts.spanProcessor] });
  try {
    provider.getTracer("t").startSpan("first").end();
    assert.equal(await parts.flush(), true);
    const propagator = new CompositePropagator({ propagators: [parts.propagator] });
    const incoming = {
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "vendor=1,sidespan=old",
    };
    const getter = {
      get: (carrier: Record<string, string>, key: string) => carrier[key],
      keys: (carrier: Record<string, string>) => Object.keys(carrier),
    };
    const extracted = propagator.extract(context.active(), incoming, getter as never);
    const outgoing: Record<string, string> = {};
    propagator.inject(extracted, outgoing, {
      set: (carrier, key, value) => void ((carrier as Record<string, string>)[key] = value),
    });
    assert.equal(outgoing["traceparent"], incoming.traceparent);
    assert.equal(outgoing["tracestate"], `sidespan=${parts.status().token},vendor=1`);
  } finally {
    await provider.shutdown();
    await daemon.dispose();
  }
});

test("one line registers everything, and the API records", options, async () => {
  const daemon = await new Daemon().start();
  try {
    const parts = register({ service: "one-line", socket: daemon.socket })!;
    trace.getTracer("lib").startActiveSpan("work", (span) => {
      const headers: Record<string, string> = {};
      propagation.inject(context.active(), headers);
      assert.match(headers["traceparent"]!, new RegExp(span.spanContext().spanId));
      span.end();
    });
    assert.equal(await parts.flush(), true);
    const text = JSON.stringify(await daemon.spans());
    assert.match(text, /one-line/);
  } finally {
    trace.disable();
    context.disable();
    propagation.disable();
    await daemon.dispose();
  }
});

test("the off switch registers nothing", () => {
  process.env["SIDESPAN_DISABLED"] = "1";
  try {
    assert.equal(register(), undefined);
  } finally {
    delete process.env["SIDESPAN_DISABLED"];
  }
});
