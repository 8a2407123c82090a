/** All keys that hold now, over the page. */

import { useEffect, useRef } from "preact/hooks";
import { groups, sheetOpen } from "../keys";

const SHOWN: Readonly<Record<string, string>> = {
  ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", Enter: "↵",
  PageUp: "PgUp", PageDown: "PgDn",
};

/** Returns a key as it is printed on a keyboard. */
export function shown(key: string): string {
  return key
    .split(/(?<=.)\+(?=.)/)
    .map((part) => SHOWN[part] ?? (part.length === 1 ? part : part))
    .join(" ");
}

export function KeySheet() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = () => (sheetOpen.value = false);
  return (
    <dialog
      ref={dialog}
      class="key-sheet"
      aria-label="Keys"
      onClose={close}
      onKeyDown={(event) => event.key === "?" && close()}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="key-sheet-body">
        <header>
          <h2>Keys</h2>
          <button type="button" class="small" onClick={close}>Close</button>
        </header>
        <div class="key-groups">
          {[...groups.value].reverse().map((group) => (
            <section key={group.title}>
              <h3>{group.title}</h3>
              <dl>
                {group.keys.map((key) => (
                  <div key={key.does}>
                    <dt>{key.keys.map((one) => <kbd key={one}>{shown(one)}</kbd>)}</dt>
                    <dd>{key.does}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
      </div>
    </dialog>
  );
}
