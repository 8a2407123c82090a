/** The client of this process: recording or not, from `init` to `shutdown`. */

import { resolveAddress } from "./address.js";
import {
  BUFFER_BYTES_MAX,
  DURABLE_TIMEOUT_MS,
  EXIT_TIMEOUT_MS,
  MARK_AFTER_MS,
} from "./limits.js";
import * as otlp from "./otlp.js";
import type { Attributes, Item } from "./otlp.js";
import { Sender } from "./sender.js";
import { VERSION } from "./version.js";

const TRUE = new Set(["1", "true", "yes", "on"]);

export interface InitOptions {
  /** `service.name`; else `SIDESPAN_SERVICE`, `OTEL_SERVICE_NAME`, `unknown_service`. */
  readonly service?: string;
  /** The daemon's socket, a path or `unix://PATH`; else the address rule of every binding. */
  readonly socket?: string;
  /** Of the resource, beside `service.name` and the process's facts. */
  readonly resource?: Attributes;
  /** Spans that wait for their acknowledgement; 8 MiB. */
  readonly bufferBytesMax?: number;
  /** A span that is open longer is announced to the recorder; 50. */
  readonly markAfterMs?: number;
  /** How long a durable span waits for the disk; 1000. */
  readonly durableTimeoutMs?: number;
  /** How long the end of the program waits for what is buffered; 1000. */
  readonly exitTimeoutMs?: number;
}

/** How the client is doing, at one moment. */
export interface Status {
  readonly recording: boolean;
  /** Whether a recorder has answered since `init`. */
  readonly connected: boolean;
  /** Spans: `recorded` is the sum of the three others. */
  readonly recorded: number;
  readonly acked: number;
  readonly dropped: number;
  readonly buffered: number;
  /** The newest token; empty for none. */
  readonly token: string;
  /** What went wrong last; empty for nothing. */
  readonly lastError: string;
}

/** What a span needs of the client while something is recorded. */
export class Recording {
  readonly scope = otlp.scope("sidespan", VERSION);
  readonly durableTimeoutMs: number;
  readonly exitTimeoutMs: number;

  constructor(
    readonly sender: Sender,
    readonly resource: Buffer,
    options: InitOptions,
  ) {
    this.durableTimeoutMs = options.durableTimeoutMs ?? DURABLE_TIMEOUT_MS;
    this.exitTimeoutMs = options.exitTimeoutMs ?? EXIT_TIMEOUT_MS;
  }

  /** Hand over a span that ended. */
  offer(item: Item, endedId: Buffer | undefined): void {
    this.sender.outbox.offer(item, endedId);
    this.sender.wake();
  }

  /** Do what must not throw into the program. */
  guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.sender.lastError = error instanceof Error ? error.message : String(error);
    }
  }
}

let recording: Recording | undefined;
let lastError = "";
let exitHookSet = false;

/** Return what records now; undefined for nothing. */
export function currentRecording(): Recording | undefined {
  return recording;
}

/**
 * Begin to record, and connect in the background. A second call changes nothing. With
 * `SIDESPAN_DISABLED` set to `1`, `true`, `yes` or `on` nothing is ever recorded.
 */
export function init(options: InitOptions = {}): void {
  if (recording !== undefined || isDisabled()) return;
  try {
    const { env } = process;
    const service =
      options.service || env["SIDESPAN_SERVICE"] || env["OTEL_SERVICE_NAME"] || "unknown_service";
    const resource = otlp.resource({
      "service.name": service,
      "process.pid": process.pid,
      "telemetry.sdk.language": "nodejs",
      "telemetry.sdk.name": "sidespan",
      "telemetry.sdk.version": VERSION,
      ...options.resource,
    });
    recording = new Recording(newSender(options), resource, options);
    recording.sender.wake();
    flushBeforeExit();
  } catch (error) {
    lastError = error instanceof Error ? error.message : String(error);
  }
}

/** Return a sender for the address that the options name. */
export function newSender(options: InitOptions): Sender {
  const given = options.socket ?? "";
  return new Sender(
    () => resolveAddress(given),
    options.bufferBytesMax ?? BUFFER_BYTES_MAX,
    options.markAfterMs ?? MARK_AFTER_MS,
  );
}

/** Tell whether the environment switches recording off. */
export function isDisabled(): boolean {
  return TRUE.has((process.env["SIDESPAN_DISABLED"] ?? "").trim().toLowerCase());
}

/**
 * Wait until all that ended is on the node's disk.
 *
 * @returns False when the time ran out, or when a span was dropped meanwhile.
 */
export async function flush(timeoutMs = 5000): Promise<boolean> {
  return recording === undefined ? true : recording.sender.flush(timeoutMs);
}

/** Send what is left, say goodbye, and record nothing more. */
export async function shutdown(timeoutMs?: number): Promise<void> {
  const ending = recording;
  recording = undefined;
  if (ending === undefined) return;
  lastError = ending.sender.lastError;
  await ending.sender.stop(timeoutMs ?? ending.exitTimeoutMs);
}

/** Return how the client is doing. */
export function status(): Status {
  const sender = recording?.sender;
  const none = { recorded: 0, acked: 0, dropped: 0, buffered: 0 };
  return {
    recording: recording !== undefined,
    connected: sender?.greeted ?? false,
    ...(sender?.outbox.counts ?? none),
    token: sender?.token ?? "",
    lastError: sender?.lastError ?? lastError,
  };
}

function flushBeforeExit(): void {
  if (exitHookSet) return;
  exitHookSet = true;
  // Comes when the program has nothing left to do; `process.exit` leaves no time for it.
  process.once("beforeExit", () => void shutdown());
}
