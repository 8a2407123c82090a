/** A component that is loaded when it is first shown. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Loading, Notice } from "./notice";

export type Load = () => Promise<{ default: ComponentType }>;

const loaded = new Map<Load, ComponentType>();

/** Shows what `load` brings; the same `load` is called once. */
export function Lazy({ load, quiet = false }: { load: Load; quiet?: boolean }) {
  const [, again] = useState(0);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (loaded.has(load)) return;
    load().then(
      (module) => {
        loaded.set(load, module.default);
        again((value) => value + 1);
      },
      () => setFailed(true),
    );
  }, [load]);
  const Shown = loaded.get(load);
  if (Shown) return <Shown />;
  if (failed) return <Notice title="This part of the page did not load">Load the page again.</Notice>;
  return quiet ? null : <Loading what="Loading…" />;
}
