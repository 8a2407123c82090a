/** What somebody sees who has recorded nothing: the commands that record a first trace here. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { status, type Status } from "../api";
import { Notice } from "../components/notice";
import { copy } from "../lib/clipboard";
import { quote } from "../lib/shell";
import { fetchInto, valueOf, type Load } from "../state/trace";

const told = signal<Load<Status>>({ state: "idle" });

export function NothingYet() {
  useEffect(() => fetchInto(told, (abort) => status(abort), true), []);
  const socket = valueOf(told.value)?.ingest ?? "";
  // Without it the commands find the socket where a daemon has it by default.
  const directory = socket.replace(/\/[^/]*$/, "");
  return (
    <Notice title="Nothing is recorded yet">
      <p>Traces appear here as they begin. Record a first one, in a shell on this node:</p>
      <Command text={`${socket && `SIDESPAN_SOCKET=${quote(socket)} `}sidespan emit "hello"`} />
      <p>Any program with an OpenTelemetry SDK that is started from such a shell sends here:</p>
      <Command text={`eval "$(sidespan env${directory && ` --run ${quote(directory)}`})"`} />
      <p>
        To see agents at work, stop this daemon and run <code>sidespan demo --stay</code>: it keeps
        a store of its own.
      </p>
    </Notice>
  );
}

function Command({ text }: { text: string }) {
  return (
    <pre class="command-block">
      <code>{text}</code>
      <button type="button" class="small" aria-label={`Copy: ${text}`} onClick={() => void copy(text)}>
        Copy
      </button>
    </pre>
  );
}
