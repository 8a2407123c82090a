/**
 * W3C Trace Context, Level 2: `traceparent` and `tracestate`, read strictly. Nothing here throws,
 * whatever text it is given.
 *
 * Source: https://www.w3.org/TR/trace-context-2/, sections 3.2 and 3.3.
 */

import {
  MEMBER_CHARACTERS_MAX,
  TRACESTATE_CHARACTERS_MAX,
  TRACESTATE_MEMBERS_MAX,
} from "./limits.js";

const MEMBER_KEY = "sidespan";
/** Bit 0 says sampled, bit 1 that the trace id is random; unknown bits are not passed on. */
const KNOWN_FLAGS = 0x03;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s;
const VALUE = "[\\x20-\\x2b\\x2d-\\x3c\\x3e-\\x7e]{0,255}[\\x21-\\x2b\\x2d-\\x3c\\x3e-\\x7e]";
const MEMBER = new RegExp(`^([a-z0-9][a-z0-9_\\-*/@]{0,255})=(${VALUE})$`);
const MEMBER_VALUE = new RegExp(`^${VALUE}$`);
const ZEROS = /^0+$/;

/** What a `traceparent` names: lower-case hex, and the W3C flags. */
export interface Traceparent {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

/**
 * Return what a `traceparent` names, or undefined when it is not one. A later version is read as
 * far as version 00 goes, as section 3.2.2 asks.
 */
export function parseTraceparent(text: string): Traceparent | undefined {
  const match = TRACEPARENT.exec(text);
  if (match === null || text.endsWith("\n")) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & KNOWN_FLAGS };
}

/** Return the `traceparent` of version 00 that names a span. */
export function formatTraceparent({ traceId, spanId, flags }: Traceparent): string {
  return `00-${traceId}-${spanId}-${(flags & KNOWN_FLAGS).toString(16).padStart(2, "0")}`;
}

/**
 * Return a `tracestate` without optional spaces and empty members; empty when it is malformed. One
 * bad or repeated member condemns the whole, as section 3.3.1 lets a receiver decide.
 */
export function parseTracestate(text: string): string {
  if (text.length > TRACESTATE_CHARACTERS_MAX) return "";
  const members = new Map<string, string>();
  for (const part of text.split(",")) {
    const member = trimmed(part);
    if (member === "") continue;
    const key = MEMBER.exec(member)?.[1];
    if (key === undefined || members.has(key)) return "";
    members.set(key, member);
  }
  return members.size <= TRACESTATE_MEMBERS_MAX ? [...members.values()].join(",") : "";
}

/**
 * Return a normal `tracestate` with our member at its left, in place of an older one; without a
 * token as it was. The rightmost members give way.
 */
export function withToken(tracestate: string, token: string): string {
  if (token === "") return tracestate;
  const others = tracestate === "" ? [] : tracestate.split(",").filter((member) => !isOurs(member));
  return [`${MEMBER_KEY}=${token}`, ...others.slice(0, TRACESTATE_MEMBERS_MAX - 1)].join(",");
}

/** Return the value of our member, the leftmost of several; undefined without one. */
export function findToken(tracestate: string): string | undefined {
  const ours = tracestate.split(",").map(trimmed).find(isOurs);
  return ours?.slice(MEMBER_KEY.length + 1);
}

/** Tell whether a token can travel: a member's value, in a member that nobody drops first. */
export function isToken(text: string): boolean {
  return (
    MEMBER_KEY.length + 1 + text.length <= MEMBER_CHARACTERS_MAX &&
    MEMBER_VALUE.test(text) &&
    !text.endsWith("\n")
  );
}

function trimmed(part: string): string {
  return part.replace(/^[ \t]+|[ \t]+$/g, "");
}

function isOurs(member: string): boolean {
  return member.startsWith(`${MEMBER_KEY}=`);
}
