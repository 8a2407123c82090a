/** The client against the real daemon. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import * as sidespan from "../src/index.js";
import { Daemon, PYTHON, waitUntil } from "./support/daemon.js";

const options = PYTHON === "" ? { skip: "SIDESPAN_TEST_PYTHON names no interpreter" } : {};
const PROGRAM = fileURLToPath(new URL("support/program.js", import.meta.url));
const runFile = promisify(execFile);
let daemon: Daemon;

before(() => {
  assert.ok(PYTHON !== "" || !process.env["CI"], "SIDESPAN_TEST_PYTHON is needed in CI");
});

beforeEach(async (context) => {
  if (PYTHON === "") return;
  daemon = await new Daemon().start();
  sidespan.init({ service: "tests", socket: daemon.socket });
  void context;
});

const cleanUp = async (): Promise<void> => {
  await sidespan.shutdown(0);
  await daemon?.dispose();
};

test("spans arrive with parents, values, events, links and errors", options, async () => {
  try {
    const failure = new TypeError("no rice");
    await assert.rejects(
      sidespan.trace("order", { kind: "server" }, async (root) => {
        root.set({ dish: "rice", count: 3, ratio: 0.5, deep: { list: [1, "a", null] } });
        await sidespan.span("cook", async (cook) => {
          cook.addEvent("stirred", { times: 2 }).link(root);
          assert.equal(sidespan.current(), cook);
          await Promise.resolve();
          assert.equal(sidespan.current(), cook);
        });
        throw failure;
      }),
      (error) => error === failure,
    );
    assert.equal(await sidespan.flush(), true);
    const { recorded, acked, dropped, buffered, lastError } = sidespan.status();
    assert.deepEqual({ recorded, acked, dropped, buffered, lastError }, {
      recorded: 2, acked: 2, dropped: 0, buffered: 0, lastError: "",
    });
    const spans = await daemon.spans();
    const [root, cook] = ["order", "cook"].map((name) => spans.find((s) => s.name === name)!);
    assert.equal(cook!.parent_span_id, root!.span_id);
    assert.match(JSON.stringify(root), /"dish": ?"rice"/);
    assert.match(JSON.stringify(root), /no rice/);
    assert.match(JSON.stringify(cook), /stirred/);
  } finally {
    await cleanUp();
  }
});

test("the token of finished work is cited by the next program", options, async () => {
  try {
    const headers = await sidespan.trace("ask", async () => {
      sidespan.span("think", () => undefined);
      assert.equal(await sidespan.flush(), true);
      return sidespan.inject({} as Record<string, string>);
    });
    const { token } = sidespan.status();
    assert.equal(headers["tracestate"], `sidespan=${token}`);
    const parent = sidespan.extract({ Traceparent: headers["traceparent"], tracestate: headers["tracestate"] });
    assert.equal(parent?.isRemote, true);
    sidespan.span("serve", { parent, kind: "server" }, () => undefined);
    assert.equal(await sidespan.flush(), true);
    const spans = await daemon.spans();
    const serve = spans.find((s) => s.name === "serve")!;
    const ask = spans.find((s) => s.name === "ask")!;
    assert.equal(serve.parent_span_id, ask.span_id);
    assert.match(JSON.stringify(serve), new RegExp(token));
  } finally {
    await cleanUp();
  }
});

test("a durable span's start is on disk before its body runs", options, async () => {
  try {
    const durable = await sidespan.span("pay", { durable: true }, (pay) => pay.durable);
    assert.equal(durable, true);
    const before = performance.now();
    await daemon.end("SIGKILL");
    const without = await sidespan.span("pay", { durable: true }, (pay) => pay.durable);
    assert.equal(without, false);
    assert.ok(performance.now() - before < 20_000);
  } finally {
    await cleanUp();
  }
});

test("20,000 live spans arrive once though the daemon is killed and started again", options, async () => {
  try {
    await sidespan.shutdown(0);
    // All of them are announced, so that each has a start and an end.
    sidespan.init({ service: "storm", socket: daemon.socket, markAfterMs: 0 });
    const storm = sidespan.startSpan("storm", { parent: sidespan.NO_PARENT });
    for (let number = 1; number < 20_000; number++) {
      const step = sidespan.startSpan("step", { parent: storm, attributes: { number } });
      if (number % 10 === 0) await new Promise(setImmediate);
      step.end();
      if (number % 6_000 === 0) {
        await daemon.end("SIGKILL");
        await daemon.start();
      }
      if (number % 2_000 === 0) assert.equal(await sidespan.flush(20_000), true);
    }
    storm.end();
    assert.equal(await sidespan.flush(30_000), true);
    const { acked, dropped } = sidespan.status();
    assert.deepEqual([acked, dropped], [20_000, 0]);
    const shown = await daemon.cli<{ spans: { span_id: string }[]; duplicate_count: number }>(
      "show", "last",
    );
    assert.equal(shown.duplicate_count, 0);
    assert.equal(new Set(shown.spans.map((s) => s.span_id)).size, 20_000);
  } finally {
    await cleanUp();
  }
});

test("a stopped daemon changes nothing for the host; what came meanwhile arrives", options, async () => {
  try {
    await sidespan.flush();
    daemon.signal("SIGSTOP");
    const results = Array.from({ length: 2_000 }, (_, n) => sidespan.span("stopped", () => n));
    assert.deepEqual(results.slice(-2), [1_998, 1_999]);
    assert.equal(await sidespan.flush(10), false);
    assert.ok(sidespan.status().buffered > 0);
    daemon.signal("SIGCONT");
    assert.equal(await sidespan.flush(20_000), true);
    const { acked, dropped } = sidespan.status();
    assert.deepEqual([acked, dropped], [2_000, 0]);
  } finally {
    await cleanUp();
  }
});

test("the end of a program sends what is buffered, and prints nothing", options, async () => {
  try {
    await sidespan.shutdown();
    const { stdout, stderr } = await runFile(process.execPath, [PROGRAM, "end"], {
      env: { ...process.env, SIDESPAN_SOCKET: daemon.socket },
    });
    assert.deepEqual([stdout, stderr], ["done\n", ""]);
    const spans = await daemon.spans();
    assert.equal(spans.length, 100);
  } finally {
    await cleanUp();
  }
});

test("a killed program's open spans are recorded as abandoned", options, async () => {
  try {
    await sidespan.shutdown();
    const killed = runFile(process.execPath, [PROGRAM, "hang"], {
      env: { ...process.env, SIDESPAN_SOCKET: daemon.socket },
    });
    await assert.rejects(killed, { signal: "SIGKILL" });
    await waitUntil(
      async () => JSON.stringify(await daemon.spans()).includes("abandoned"),
      "the abandoned span",
    );
  } finally {
    await cleanUp();
  }
});

after(() => assert.equal(sidespan.status().recording, false));
