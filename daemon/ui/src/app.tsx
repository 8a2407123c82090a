/** The frame of the page: what is shown, and what to do when the daemon does not let it. */

import { setToken, tokenWanted } from "./api";
import { KeySheet } from "./components/key_sheet";
import { useKeys, sheetOpen } from "./keys";
import { copyCommand } from "./components/command_line";
import { next as nextTheme } from "./lib/theme";
import { ListPage } from "./list/page";
import { TracePage } from "./trace/page";
import { go, param, route, traceId } from "./state/route";

export function App() {
  useKeys("Everywhere", () => [
    { keys: ["?"], does: "Show the keys", run: () => (sheetOpen.value = !sheetOpen.value) },
    { keys: ["/"], does: "Search", run: focusSearch },
    { keys: ["g"], does: "Back to the list", run: backToList },
    { keys: ["y"], does: "Copy the command that shows this in a terminal", run: copyCommand },
    { keys: ["t"], does: "Next theme: system, light, dark", run: nextTheme },
  ]);
  return (
    <>
      {tokenWanted.value ? <TokenPage /> : traceId.value === null ? <ListPage /> : <TracePage />}
      {sheetOpen.value && <KeySheet />}
    </>
  );
}

/** Goes to the list, with the search that it had. */
export function backToList(): void {
  const q = param("q");
  if (route.value.traceId !== null) go(null, q ? { q } : {});
}

function focusSearch(): void {
  const box = document.getElementById("search");
  if (box instanceof HTMLInputElement) {
    box.focus();
    box.select();
  }
}

function TokenPage() {
  function submit(event: Event): void {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem("token");
    setToken((field as HTMLInputElement).value);
    location.reload();
  }
  return (
    <main class="token-page">
      <h1>This page needs the node’s token</h1>
      <p>
        Run <code>sidespan open</code> on the node: it opens this page with the token. Or paste what
        is in the file <code>api.token</code> of the data directory.
      </p>
      <form onSubmit={submit}>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="off" spellcheck={false} required />
        <button type="submit" class="primary">Continue</button>
      </form>
    </main>
  );
}
