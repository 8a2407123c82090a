/** What the host program may rely on, whatever the daemon and its values do. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";

import * as sidespan from "../src/index.js";
import { BUFFER_BYTES_MAX, VALUE_BYTES_MAX } from "../src/limits.js";
import { fields } from "../src/protobuf.js";
import { Writer } from "../src/protobuf.js";
import { writeAnyValue } from "../src/value.js";
import { waitUntil } from "./support/daemon.js";

const runFile = promisify(execFile);
const PROGRAM = fileURLToPath(new URL("support/program.js", import.meta.url));

afterEach(() => sidespan.shutdown(0));

function encoded(value: unknown): Buffer {
  const out = new Writer();
  writeAnyValue(out, value);
  return out.take();
}

test("without init a span runs its body, and nothing is recorded", () => {
  assert.equal(sidespan.span("idle", (s) => (s.recording ? 1 : 2)), 2);
  assert.equal(sidespan.current().recording, false);
  assert.deepEqual(sidespan.inject({}), {});
  assert.equal(sidespan.status().recorded, 0);
});

test("the off switch of the environment wins over init", () => {
  process.env["SIDESPAN_DISABLED"] = " ON ";
  try {
    sidespan.init({ service: "off" });
    assert.equal(sidespan.status().recording, false);
  } finally {
    delete process.env["SIDESPAN_DISABLED"];
  }
});

test("results, exceptions and promises are the host's own", async () => {
  sidespan.init({ socket: "/nonexistent/ingest.sock" });
  const thrown = { not: "an error" };
  assert.throws(
    () => sidespan.span("throws", () => { throw thrown; }),
    (error) => error === thrown,
  );
  const promise = Promise.resolve(7);
  assert.equal(sidespan.span("same", () => promise), promise);
  const rejected = Promise.reject(thrown);
  assert.equal(sidespan.span("same", () => rejected), rejected);
  await assert.rejects(rejected, (error) => error === thrown);
  const thenable = { then: () => undefined };
  assert.equal(sidespan.span("lazy", () => thenable), thenable);
});

test("without a daemon spans are counted, dropped at the bound, and the end is not delayed", async () => {
  sidespan.init({ socket: "/nonexistent/ingest.sock", bufferBytesMax: 100_000 });
  for (let number = 0; number < 5_000; number++) sidespan.span("lost", () => number);
  const { recorded, dropped, buffered } = sidespan.status();
  assert.equal(recorded, 5_000);
  assert.equal(dropped + buffered, 5_000);
  assert.ok(dropped > 0 && buffered > 0);
  assert.equal(await sidespan.flush(200), false);
  assert.match(sidespan.status().lastError, /ENOENT/);
  await sidespan.shutdown(60_000);
  assert.equal(sidespan.status().recording, false);
});

test("an address of another kind is noted, not thrown", async () => {
  sidespan.init({ socket: "ftp://example" });
  sidespan.span("odd", () => 1);
  assert.equal(await sidespan.flush(50), false);
  assert.match(sidespan.status().lastError, /expected a path/);
});

test("values may be anything", () => {
  sidespan.init({ socket: "/nonexistent/ingest.sock" });
  const cyclic: Record<string, unknown> = { name: "loop" };
  cyclic["self"] = cyclic;
  const hostile = {
    get boom(): never { throw new Error("getter"); },
    [Symbol.toPrimitive]() { throw new Error("primitive"); },
  };
  const values = [
    cyclic, hostile, new Proxy({}, { ownKeys() { throw new Error("proxy"); } }), Symbol("s"),
    () => 1, 2n ** 70n, NaN, -0, new Date(NaN), new Map([[hostile, 1]]), new Set([1]), null,
    undefined, "\ud800", Object.create(null), new Uint8Array(3), "x".repeat(1_000_000),
    Array.from({ length: 100_000 }, (_, n) => n), { toJSON() { throw new Error("json"); } },
    { toJSON() { return this; } }, new Error("e"), Buffer.alloc(2_000_000),
  ];
  for (const value of values) {
    const bytes = encoded(value);
    assert.ok(bytes.length < VALUE_BYTES_MAX * 1.1, String(bytes.length));
    for (const [number] of fields(bytes)) assert.ok(number >= 1 && number <= 7);
  }
  const result = sidespan.span("hostile", (s) => {
    for (const [index, value] of values.entries()) s.set({ [`v${index}`]: value });
    s.set(hostile as never).addEvent(hostile as never, { hostile }).fail(hostile).link({} as never);
    return "unchanged";
  });
  assert.equal(result, "unchanged");
});

test("10,000 spans within and beside one another keep their parents", async () => {
  sidespan.init({ socket: "/nonexistent/ingest.sock", bufferBytesMax: BUFFER_BYTES_MAX });
  await sidespan.trace("root", async (root) => {
    await Promise.all(
      Array.from({ length: 10_000 }, (_, n) =>
        sidespan.span(`step ${n}`, async (s) => {
          await new Promise(setImmediate);
          assert.equal(sidespan.current(), s);
          assert.equal(s.traceId, root.traceId);
        }),
      ),
    );
    assert.equal(sidespan.current(), root);
  });
  assert.equal(sidespan.current().recording, false);
});

test("a program without a daemon ends by itself, prints nothing of ours, and keeps its status", async () => {
  const { stdout, stderr } = await runFile(process.execPath, [PROGRAM, "end"], {
    env: { ...process.env, SIDESPAN_SOCKET: "/nonexistent/ingest.sock" },
    timeout: 20_000,
  });
  assert.deepEqual([stdout, stderr], ["done\n", ""]);
});

test("each worker thread is a client of its own", async () => {
  const source = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData).then((sidespan) => {
      sidespan.init({ socket: "/nonexistent/ingest.sock" });
      sidespan.span("in a worker", () => 1);
      parentPort.postMessage(sidespan.status().recorded);
    });`;
  const module = new URL("../src/index.js", import.meta.url).href;
  const worker = new Worker(source, { eval: true, workerData: module });
  const recorded = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  assert.equal(recorded, 1);
  await worker.terminate();
  assert.equal(sidespan.status().recorded, 0);
});

test("a peer that talks nonsense is left, and tried again later", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sidespan-ts-"));
  const path = join(directory, "s");
  const answers = ["ffffffff", "0000000963000000000000000000", "00000009100000000000000000", ""];
  let connections = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    const answer = answers[connections++ % answers.length]!;
    if (answer === "") socket.destroy();
    else socket.write(Buffer.from(answer, "hex"));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    sidespan.init({ socket: path });
    sidespan.span("kept", () => 1);
    await waitUntil(() => connections >= 3, "three tries");
    const { recorded, acked, dropped, buffered } = sidespan.status();
    assert.deepEqual([recorded, acked + dropped + buffered], [1, 1]);
    assert.notEqual(sidespan.status().lastError, "");
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
