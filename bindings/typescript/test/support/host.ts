/** A program that uses the client in every way, with values that misbehave; what it prints is its result. */

import { fork } from "node:child_process";
import { isMainThread, Worker } from "node:worker_threads";

import * as sidespan from "../../src/index.js";

const cyclic: Record<string, unknown> = {};
cyclic["self"] = cyclic;
const hostile = {
  get boom(): never {
    throw new Error("no");
  },
  toString(): never {
    throw new Error("no");
  },
};

async function add(a: number, b: number): Promise<number> {
  return sidespan.span("add", { durable: true }, async (s) => {
    s.set({ big: "x".repeat(1_000_000), cyclic, hostile }).addEvent("e", { cyclic });
    await new Promise(setImmediate);
    return a + b;
  });
}

function storm(): void {
  for (let n = 0; n < 200; n++) {
    sidespan.trace("storm", { attributes: { hostile } }, (s) => s.addEvent("e", cyclic));
  }
}

function ended(started: Worker | ReturnType<typeof fork>): Promise<unknown> {
  return new Promise((resolve) => started.once("exit", resolve));
}

sidespan.init({ service: "host", markAfterMs: 0, durableTimeoutMs: 50, exitTimeoutMs: 200 });
storm();
if (isMainThread && process.argv[2] !== "child") {
  const file = new URL(import.meta.url);
  const others = [1, 2, 3, 4].map(() => ended(new Worker(file)));
  others.push(ended(fork(file, ["child"])));
  const sums = await Promise.all([0, 1, 2, 3, 4].map((n) => add(n, n)));
  let mine: unknown;
  try {
    sidespan.span("fails", () => {
      throw new RangeError("mine");
    });
  } catch (error) {
    mine = String(error);
  }
  sidespan.startSpan("open");
  console.log(JSON.stringify([sums, await Promise.all(others), mine]));
}
