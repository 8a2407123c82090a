/** A stock instrumentation library on the bridge: two services joined by their HTTP headers. */

import assert from "node:assert/strict";
import type * as http from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";

import { trace } from "@opentelemetry/api";
import { registerInstrumentations } from "@opentelemetry/instrumentation";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";

import { register } from "../src/otel/index.js";
import { Daemon, PYTHON } from "./support/daemon.js";

const options = PYTHON === "" ? { skip: "SIDESPAN_TEST_PYTHON names no interpreter" } : {};
const daemon = new Daemon();
after(() => daemon.dispose());

test("client and server spans of HTTP are one trace, and the token travels", options, async () => {
  await daemon.start();
  const parts = register({ service: "web", socket: daemon.socket })!;
  registerInstrumentations({ instrumentations: [new HttpInstrumentation()] });
  // Instrumentation takes hold of modules that are required after it.
  const { createServer, get } = createRequire(import.meta.url)("node:http") as typeof http;
  const tracer = trace.getTracer("test");
  tracer.startSpan("before").end();
  assert.equal(await parts.flush(), true);
  const { token } = parts.status();

  let tracestate: string | string[] | undefined;
  const server = createServer((request, response) => {
    tracestate = request.headers["tracestate"];
    tracer.startSpan("handle").end();
    response.end("ok");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await tracer.startActiveSpan("ask", async (ask) => {
    await new Promise<void>((resolve) => {
      get({ host: "127.0.0.1", port }, (response) => response.resume().on("end", resolve));
    });
    ask.end();
  });
  await new Promise((resolve) => server.close(resolve));
  assert.equal(await parts.flush(), true);

  assert.equal(tracestate, `sidespan=${token}`);
  const spans = await daemon.spans();
  let parent = spans.find((span) => span.name === "ask")!;
  for (const name of ["GET", "GET", "handle"]) {
    const child = spans.find((span) => span.parent_span_id === parent.span_id)!;
    assert.equal(child.name, name);
    parent = child;
  }
  assert.equal(spans.length, 4);
});
