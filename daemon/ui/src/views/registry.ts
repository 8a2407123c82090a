/**
 * The views of a trace. Each is a folder here with a default-exported component that takes no
 * property: it reads the signals of `state/`, sets the route, and registers its keys with
 * `useKeys`. A view that is not the first is loaded when it is first shown.
 */

import type { ComponentType } from "preact";
import { quote } from "../lib/shell";
import { param } from "../state/route";
import { Waterfall } from "./waterfall";

export interface View {
  /** Its name in the address, `?view=`. */
  readonly name: string;
  readonly title: string;
  /** The digit that shows it. */
  readonly key: string;
  /** True when the panel of the selected span belongs beside it. */
  readonly panel: boolean;
  readonly component: ComponentType | (() => Promise<{ default: ComponentType }>);
  /** True when `component` has to be called to load it. */
  readonly lazy: boolean;
  /** Returns the command that shows the same in a terminal. */
  readonly cli: (place: Place) => string;
}

/** What a command may name; ids are empty where nothing is selected. */
export interface Place {
  readonly trace: string;
  readonly span: string;
  readonly b: string;
  readonly step: number | null;
}

/** Returns a parameter of the address as the flag of that name; empty where it is not set. */
const flag = (name: string): string => (param(name) ? ` --${name} ${quote(param(name))}` : "");

export const views: readonly View[] = [
  {
    name: "waterfall",
    title: "Waterfall",
    key: "1",
    panel: true,
    lazy: false,
    component: Waterfall,
    cli: ({ trace }) => `sidespan show ${trace}`,
  },
  {
    name: "context",
    title: "Context",
    key: "2",
    panel: false,
    lazy: true,
    component: () => import("./context"),
    cli: ({ trace, span }) => `sidespan show ${span || trace} --io`,
  },
  {
    name: "state",
    title: "State",
    key: "3",
    panel: false,
    lazy: true,
    component: () => import("./state"),
    cli: ({ trace, span, b }) => {
      const against = param("against") === "b" ? ` --against ${b}` : flag("against");
      return `sidespan diff ${span || trace}${flag("of")}${against}`;
    },
  },
  {
    name: "flow",
    title: "Causal flow",
    key: "4",
    panel: false,
    lazy: true,
    component: () => import("./flow"),
    cli: ({ trace, span, b }) =>
      span && b ? `sidespan compare ${span} ${b}${flag("about")}` : `sidespan order ${trace}`,
  },
  {
    name: "evidence",
    title: "Evidence",
    key: "5",
    panel: false,
    lazy: true,
    component: () => import("./evidence"),
    cli: ({ trace, span }) => `sidespan receipt ${span || trace}`,
  },
];

type Load = () => Promise<{ default: ComponentType }>;

/** Beside a view with `panel`: what the selected span is. Null where there is none. */
export const panel: Load | null = () => import("./context/panel");

/** Below every view of a trace: the playhead. Null where there is none. */
export const bar: Load | null = () => import("./playhead");
