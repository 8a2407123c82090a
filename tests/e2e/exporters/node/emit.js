// Send the spans of an OTLP/JSON request on stdin through a stock exporter of the Node SDK.
//
// Usage: node emit.js grpc|http/protobuf|http/json [HTTP_SOCKET]
// Where to is in the variables that the SDK itself reads. Prints what the exporter said and the ids.
'use strict';

const { readFileSync } = require('node:fs');
const { ROOT_CONTEXT, createTraceState, trace } = require('@opentelemetry/api');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');

const PACKAGES = {
  grpc: '@opentelemetry/exporter-trace-otlp-grpc',
  'http/protobuf': '@opentelemetry/exporter-trace-otlp-proto',
  'http/json': '@opentelemetry/exporter-trace-otlp-http',
};

// The SDK's attributes are text, numbers, booleans and arrays of one of them.
const isOffered = (pair) => !pair.key.startsWith('extended.');

function valueOf(value) {
  const [[kind, inner]] = Object.entries(value);
  if (kind === 'intValue') return Number(inner);
  if (kind === 'arrayValue') return (inner.values ?? []).map(valueOf);
  return inner;
}

function attributesOf(pairs = []) {
  const offered = pairs.filter(isOffered);
  return Object.fromEntries(offered.map((pair) => [pair.key, valueOf(pair.value)]));
}

function timeOf(unixNano) {
  const second = 1_000_000_000n;
  return [Number(BigInt(unixNano) / second), Number(BigInt(unixNano) % second)];
}

// The context of a span of elsewhere.
function remote({ traceId, flags, traceState }, spanId) {
  const state = createTraceState(traceState);
  return { traceId, spanId, traceFlags: flags & 1, isRemote: true, traceState: state };
}

function linkOf(link) {
  return { context: remote(link, link.spanId), attributes: attributesOf(link.attributes) };
}

// What the exporter needs beside its variables is what a socket needs.
function stock(protocol, socket) {
  const { OTLPTraceExporter } = require(PACKAGES[protocol]);
  if (!socket) return new OTLPTraceExporter();
  return new OTLPTraceExporter({ httpAgentOptions: { socketPath: socket, keepAlive: true } });
}

// Notes what the stock exporter behind it answers.
function recording(exporter, answers) {
  return {
    export(spans, done) {
      const began = performance.now();
      exporter.export(spans, (result) => {
        answers.push({ ok: result.code === 0, took_ms: Math.round(performance.now() - began) });
        done(result);
      });
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}

async function main() {
  const [protocol, socket] = process.argv.slice(2);
  const [{ resource, scopeSpans }] = JSON.parse(readFileSync(0, 'utf8')).resourceSpans;
  const [{ scope, spans }] = scopeSpans;
  const answers = [];
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes(attributesOf(resource.attributes)),
    spanProcessors: [new BatchSpanProcessor(recording(stock(protocol, socket), answers))],
  });
  const tracer = provider.getTracer(scope.name, scope.version);

  const started = new Map();
  for (const given of spans) {
    const parent =
      started.get(given.parentSpanId) ?? trace.wrapSpanContext(remote(given, given.parentSpanId));
    const options = {
      kind: given.kind - 1,
      attributes: attributesOf(given.attributes),
      links: (given.links ?? []).map(linkOf),
      startTime: timeOf(given.startTimeUnixNano),
    };
    const span = tracer.startSpan(given.name, options, trace.setSpan(ROOT_CONTEXT, parent));
    started.set(given.spanId, span);
    for (const event of given.events ?? []) {
      span.addEvent(event.name, attributesOf(event.attributes), timeOf(event.timeUnixNano));
    }
    if (given.status) span.setStatus(given.status);
  }
  for (const given of spans.toReversed()) {
    started.get(given.spanId).end(timeOf(given.endTimeUnixNano));
  }

  // A failed export rejects the flush; what it was is in the answers.
  await provider.forceFlush().catch(() => {});
  const ids = {};
  for (const [key, span] of started) {
    const { traceId, spanId } = span.spanContext();
    ids[key] = [traceId, spanId];
  }
  process.stdout.write(JSON.stringify({ answers, ids }));
  await provider.shutdown();
}

main();
