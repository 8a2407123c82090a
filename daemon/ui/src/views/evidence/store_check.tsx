/** A check of the whole store, by a process that the daemon starts for it. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, get, post } from "../../api";
import { Failure } from "../../components/notice";
import { dateTime, msOf } from "../../lib/format";

/** How the daemon's check stands, and what the last one found. */
interface Check {
  readonly running: boolean;
  readonly at_ns: string | null;
  /** Null before the first check. */
  readonly ok: boolean | null;
  readonly findings: readonly {
    readonly code: string;
    readonly where: string;
    readonly message: string;
  }[];
  readonly established: readonly string[];
  readonly not_established: readonly string[];
}

const POLL_MS = 400;

const check = signal<Check | null>(null);
const failed = signal<ApiError | null>(null);
let timer: ReturnType<typeof setTimeout> | undefined;

/** Asks how the check stands, and again while it runs. */
async function ask(question: () => Promise<Check>): Promise<void> {
  clearTimeout(timer);
  try {
    check.value = await question();
    failed.value = null;
    if (check.value.running) timer = setTimeout(() => void read(), POLL_MS);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    failed.value = error;
  }
}

const read = () => ask(() => get<Check>("/v1/verify"));
const begin = () => ask(() => post<Check>("/v1/verify", {}));

export function StoreCheck() {
  useEffect(() => {
    void read();
    return () => clearTimeout(timer);
  }, []);
  const running = check.value?.running ?? false;
  const found = check.value?.ok == null ? null : check.value;
  return (
    <section class="store-check" aria-label="Store" data-test="store-check">
      <h3>Whole store</h3>
      <p>
        Reads every record again: checksums, commitments, places, stamps, checkpoints.{" "}
        {when(check.value)}
      </p>
      <button type="button" disabled={running} onClick={begin}>
        {running ? "Reading the store…" : found === null ? "Verify the store" : "Verify again"}
      </button>
      {failed.value !== null && <Failure error={failed.value} />}
      {found !== null && !running && <Found report={found} />}
    </section>
  );
}

function when(found: Check | null): string {
  return found?.at_ns
    ? `Last at ${dateTime(msOf(found.at_ns))}.`
    : "Not done since the daemon began.";
}

function Found({ report }: { report: Check }) {
  const { ok, findings, established, not_established: open } = report;
  return (
    <div role="status">
      <p>
        {ok ? (
          <b class="good">Nothing is wrong.</b>
        ) : (
          <b class="bad">Findings: {findings.length}</b>
        )}
      </p>
      <ul class="bad-findings">
        {findings.map((one, index) => (
          <li key={index}>
            <code>{one.code}</code> {one.where}: {one.message}
          </li>
        ))}
      </ul>
      <div class="findings">
        <ul class="established">
          {established.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        <ul class="not-established">
          {open.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      </div>
    </div>
  );
}
