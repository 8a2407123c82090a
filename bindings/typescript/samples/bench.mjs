// Prints what a span costs its caller: the raw client, the OpenTelemetry SDK, and the bridge on it.
//   npm run build && node samples/bench.mjs [SPANS]
// A thread plays the recorder, so that the buffer is emptied as in life. Least of many rounds.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const SPANS = Number(process.argv[2] ?? 20_000);
const ROUNDS = 15;

if (isMainThread) await main();
else await recorder(workerData);

async function main() {
  const { NodeTracerProvider } = await import("@opentelemetry/sdk-trace-node");
  const sidespan = await import("sidespan");
  const { bridge } = await import("sidespan/otel");
  const directory = mkdtempSync(join(tmpdir(), "sidespan-bench-"));
  const socket = join(directory, "s");
  const worker = new Worker(new URL(import.meta.url), { workerData: socket });
  await once(worker, "message");

  sidespan.init({ service: "bench", socket, bufferBytesMax: 1 << 30 });
  const parts = bridge({ socket, bufferBytesMax: 1 << 30 });
  const plain = new NodeTracerProvider().getTracer("bench");
  const bridged = new NodeTracerProvider({ spanProcessors: [parts.spanProcessor] }).getTracer("bench");
  const attributes = { model: "gpt-4o", tokens: 812, temperature: 0.2 };
  const otel = (tracer) => () => {
    const span = tracer.startSpan("chat", { attributes });
    span.addEvent("first token", { ms: 41 });
    span.end();
  };
  const ways = {
    "sidespan": () => sidespan.span("chat", { attributes }, (s) => s.addEvent("first token", { ms: 41 })),
    "OpenTelemetry SDK": otel(plain),
    "SDK + sidespan bridge": otel(bridged),
  };
  const least = Object.fromEntries(Object.keys(ways).map((name) => [name, Infinity]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, work] of Object.entries(ways)) {
      const began = process.hrtime.bigint();
      for (let n = 0; n < SPANS; n++) work();
      least[name] = Math.min(least[name], Number(process.hrtime.bigint() - began) / SPANS / 1000);
      await Promise.all([sidespan.flush(10_000), parts.flush(10_000)]);
    }
  }
  for (const [name, us] of Object.entries(least)) console.log(`${name.padEnd(24)}${us.toFixed(2)} us a span`);
  console.log(`dropped: ${sidespan.status().dropped + parts.status().dropped}`);
  await sidespan.shutdown(1000);
  await worker.terminate();
  rmSync(directory, { recursive: true, force: true });
  process.exit(0);
}

async function recorder(path) {
  const { createServer } = await import("node:net");
  const replies = { 1: 16, 2: 17 };
  createServer((socket) => {
    let rest = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 13 && rest.length >= 4 + rest.readUInt32BE(0)) {
        const reply = Buffer.from(rest.subarray(0, 13));
        const type = reply[4];
        rest = rest.subarray(4 + rest.readUInt32BE(0));
        if (!(type in replies)) continue;
        reply.writeUInt32BE(9, 0);
        reply[4] = replies[type];
        socket.write(reply);
      }
    });
  }).listen(path, () => parentPort.postMessage("ready"));
}
