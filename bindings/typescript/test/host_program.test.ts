/** Whatever tracing meets, the host program's output and status are what they are without it. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { type Frame, FrameType, frameHead } from "../src/frames.js";
import { Daemon, PYTHON } from "./support/daemon.js";

const options = PYTHON === "" ? { skip: "SIDESPAN_TEST_PYTHON names no interpreter" } : {};
const runFile = promisify(execFile);
const HOST = fileURLToPath(new URL("support/host.js", import.meta.url));
const EXPECTED = ['[[0,2,4,6,8],[0,0,0,0,0],"RangeError: mine"]\n', ""];
// sidespan.v1.Nack: UNAVAILABLE, "the disk is full", try again after 1000 ms.
const DISK_FULL = Buffer.from("08031210746865206469736b2069732066756c6c18e807", "hex");
const HEADER_BYTES = 13;

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), "sidespan-ts-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

async function outcome(environment: Record<string, string>): Promise<string[]> {
  const env = { ...process.env, SIDESPAN_DISABLED: "", ...environment };
  const { stdout, stderr } = await runFile(process.execPath, [HOST], { env, timeout: 60_000 });
  return [stdout, stderr];
}

/** Run `use` beside a listener that does `answer` with each connection; give it the path. */
async function listening(
  answer: (socket: Socket) => void,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const path = join(directory, "peer.sock");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    answer(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await use(path);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Greet, and refuse every step for want of room. */
function withoutRoom(socket: Socket): void {
  let data = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    data = Buffer.concat([data, chunk]);
    for (let { length } = data; length >= HEADER_BYTES; { length } = data) {
      const frameBytes = data.readUInt32BE(0) + 4;
      if (length < frameBytes) return;
      const type = data.readUInt8(4);
      const frame: Omit<Frame, "type"> = { seq: data.readBigUInt64BE(5), body: DISK_FULL };
      data = data.subarray(frameBytes);
      if (type === FrameType.HELLO) socket.write(frameHead(FrameType.HELLO_ACK, frame.seq, 0));
      if (type === FrameType.RECORDS) {
        socket.write(frameHead(FrameType.NACK, frame.seq, frame.body.length));
        socket.write(frame.body);
      }
    }
  });
}

test("off, it is the program by itself", async () => {
  assert.deepEqual(await outcome({ SIDESPAN_DISABLED: "1" }), EXPECTED);
});

test("nobody there, a file in the socket's place, an address that is none", async () => {
  const file = join(directory, "file");
  closeSync(openSync(file, "w"));
  for (const address of [join(directory, "nobody.sock"), file, "http://x"]) {
    assert.deepEqual(await outcome({ SIDESPAN_SOCKET: address }), EXPECTED, address);
  }
});

test("a daemon that takes the connection and no more", async () => {
  await listening(
    () => undefined,
    async (path) => assert.deepEqual(await outcome({ SIDESPAN_SOCKET: path }), EXPECTED),
  );
});

test("a daemon whose disk is full", async () => {
  await listening(withoutRoom, async (path) =>
    assert.deepEqual(await outcome({ SIDESPAN_SOCKET: path }), EXPECTED),
  );
});

test("the real daemon, stopped and running", options, async () => {
  const daemon = await new Daemon().start();
  try {
    daemon.signal("SIGSTOP");
    assert.deepEqual(await outcome({ SIDESPAN_SOCKET: daemon.socket }), EXPECTED);
    daemon.signal("SIGCONT");
    assert.deepEqual(await outcome({ SIDESPAN_SOCKET: daemon.socket }), EXPECTED);
  } finally {
    await daemon.dispose();
  }
});
