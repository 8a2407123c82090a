/** The daemon's HTTP API, as this page uses it. Every call goes to the page's own origin. */

import { signal } from "@preact/signals";
import type {
  Completions, Diff, Json, SkeletonDocument, SpanDetail, Status, Strip, TracePage,
} from "./shapes";

export * from "./shapes";
export { follow, lostAtMs, returns, type StreamEvent } from "./stream";

const TOKEN_KEY = "sidespan.token";

/** True while the daemon refuses for want of a token; the shell then asks for one. */
export const tokenWanted = signal(false);

/** What the daemon answers where it does not do as asked. */
export class ApiError extends Error {
  /**
   * @param message What is wrong, in the daemon's words.
   * @param status The HTTP status; 0 when there was no answer.
   * @param code Stable name of the kind of error.
   * @param hint What to do next; empty when nothing is known.
   */
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly hint: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/**
 * Takes the token out of `#token=…`, keeps it for this tab, and clears it from the address bar,
 * so that it is in no copied link and no history.
 */
export function takeToken(): void {
  const found = /^#token=([^&]+)/.exec(location.hash);
  if (!found) return;
  sessionStorage.setItem(TOKEN_KEY, decodeURIComponent(found[1]!));
  history.replaceState(history.state, "", location.pathname + location.search);
}

/** Keeps a token that somebody typed. */
export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token.trim());
  tokenWanted.value = false;
}

/** The headers of a request: the token, where this tab has one. */
export function headers(extra: Record<string, string> = {}): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { ...extra, authorization: `Bearer ${token}` } : extra;
}

export type Query = Record<string, string | number | null | undefined>;

/** Returns a path with its query; fields that are empty, null or undefined are left out. */
export function address(path: string, query: Query = {}): string {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") fields.set(name, String(value));
  }
  const text = fields.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Sends one request.
 *
 * @throws ApiError The daemon refused, or does not answer.
 * @throws DOMException Named AbortError: `init.signal` said so.
 */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      ...init,
      headers: headers(init.headers as Record<string, string> | undefined),
      credentials: "omit",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("the daemon does not answer", 0, "unreachable", "sidespan status");
  }
  if (answer.ok) {
    tokenWanted.value = false;
    return answer;
  }
  if (answer.status === 401) tokenWanted.value = true;
  throw await refusal(answer);
}

async function refusal(answer: Response): Promise<ApiError> {
  try {
    const { error } = (await answer.json()) as {
      error: { message: string; code: string; hint: string };
    };
    return new ApiError(error.message, answer.status, error.code, error.hint ?? "");
  } catch {
    return new ApiError(`the daemon answered ${answer.status}`, answer.status, "failed", "");
  }
}

/** Returns a JSON document. Throws as `send`. */
export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const answer = await send(address(path, query), signal ? { signal } : {});
  return (await answer.json()) as T;
}

/** Posts a JSON document and returns the answer's. Throws as `send`. */
export async function post<T>(path: string, body: Json, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  };
  const answer = await send(path, signal ? { ...init, signal } : init);
  return (await answer.json()) as T;
}

const id = encodeURIComponent;

export const traces = (query: Query, signal?: AbortSignal) =>
  get<TracePage>("/v1/traces", query, signal);

export const strip = (q: string, buckets: number, signal?: AbortSignal) =>
  get<Strip>("/v1/strip", { q, buckets }, signal);

export const complete = (field: string | null, prefix: string, signal?: AbortSignal) =>
  get<Completions>("/v1/complete", { field, prefix, limit: 12 }, signal);

export const status = (signal?: AbortSignal) => get<Status>("/v1/status", {}, signal);

export const skeletonOf = (traceId: string, signal?: AbortSignal) =>
  get<SkeletonDocument>(`/v1/traces/${id(traceId)}/skeleton`, {}, signal);

export const spanOf = (spanId: string, traceId: string, signal?: AbortSignal) =>
  get<SpanDetail>(`/v1/spans/${id(spanId)}`, { trace_id: traceId }, signal);

export const diffOf = (
  spanId: string, traceId: string, of: "state" | "messages", against: string, signal?: AbortSignal,
) => get<Diff>(`/v1/spans/${id(spanId)}/diff`, { trace_id: traceId, of, against }, signal);

export const compareOf = (a: string, b: string, signal?: AbortSignal) =>
  get<{ [field: string]: Json }>("/v1/compare", { a, b }, signal);

/**
 * Reads part of a large value.
 *
 * @param first First byte wanted, from 0.
 * @param last Last byte wanted, inclusive.
 * @returns The text of those bytes, and how many bytes the whole has.
 */
export async function contentOf(
  spanId: string, traceId: string, field: string, first: number, last: number,
  signal?: AbortSignal,
): Promise<{ text: string; total: number }> {
  const init: RequestInit = { headers: { range: `bytes=${first}-${last}` } };
  const answer = await send(
    address(`/v1/spans/${id(spanId)}/content`, { field, trace_id: traceId }),
    signal ? { ...init, signal } : init,
  );
  const text = await answer.text();
  const total = /\/(\d+)$/.exec(answer.headers.get("content-range") ?? "");
  return { text, total: total ? Number(total[1]) : new TextEncoder().encode(text).length };
}
