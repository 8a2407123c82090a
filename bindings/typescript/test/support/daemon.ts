/** The real daemon of this repository, for tests. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The interpreter that has the daemon; tests that need it are left out without one. */
export const PYTHON = process.env["SIDESPAN_TEST_PYTHON"] ?? "";

export interface ShownSpan {
  readonly name: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly lsn: string;
  readonly [key: string]: unknown;
}

export class Daemon {
  readonly root = mkdtempSync(join(tmpdir(), "sidespan-ts-"));
  readonly socket = join(this.root, "run", "ingest.sock");
  readonly #data = join(this.root, "data");
  #process: ChildProcess | undefined;

  async start(): Promise<this> {
    const places = ["--data", this.#data, "--run", join(this.root, "run")];
    this.#process = spawn(
      PYTHON,
      ["-m", "sidespand", "serve", ...places, "--otlp-grpc", "off", "--otlp-http", "off"],
      { stdio: "ignore" },
    );
    await waitUntil(() => accepts(this.socket), "the daemon to accept");
    return this;
  }

  signal(name: NodeJS.Signals): void {
    process.kill(Number(readFileSync(join(this.#data, "LOCK"), "ascii")), name);
  }

  async end(name: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const ended = this.#process;
    if (ended === undefined) return;
    this.#process = undefined;
    const closed = new Promise((resolve) => ended.once("exit", resolve));
    if (ended.exitCode === null) {
      this.signal(name);
      await closed;
    }
  }

  /** Stop it and remove what it wrote. */
  async dispose(): Promise<void> {
    await this.end("SIGKILL");
    // Its worker notices a moment later, and may be writing until then.
    await waitUntil(() => removed(this.root), "the directory to go");
  }

  async cli<T>(command: string, ...args: string[]): Promise<T> {
    const { stdout } = await run(
      PYTHON,
      ["-m", "sidespand", command, ...args, "--json", "--data", this.#data],
      { maxBuffer: 256 * 1024 * 1024 },
    );
    return JSON.parse(stdout) as T;
  }

  async spans(trace = "last"): Promise<ShownSpan[]> {
    return (await this.cli<{ spans: ShownSpan[] }>("show", trace)).spans;
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

export async function waitUntil(
  true_: () => boolean | Promise<boolean>,
  what: string,
  msMax = 20_000,
): Promise<void> {
  const began = performance.now();
  while (!(await true_())) {
    if (performance.now() - began > msMax) throw new Error(`waited ${msMax} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function removed(directory: string): boolean {
  try {
    rmSync(directory, { recursive: true, force: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTEMPTY") return false;
    throw error;
  }
}
