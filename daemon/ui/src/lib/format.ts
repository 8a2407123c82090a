/** Numbers, times and costs as text. Nothing here depends on the reader's locale. */

const SEP = "\u202f";

/** Returns a duration, such as `812 µs`, `14.2 ms`, `1.24 s`, `2m 05s`, `1h 03m`. */
export function duration(us: number): string {
  if (!Number.isFinite(us) || us < 0) return "–";
  if (us < 1) return "0";
  if (us < 999.5) return `${Math.round(us)}${SEP}µs`;
  if (us < 999_500) return `${three(us / 1e3)}${SEP}ms`;
  if (us < 59_950_000) return `${three(us / 1e6)}${SEP}s`;
  const seconds = Math.round(us / 1e6);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 2_880) return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
  return `${Math.floor(minutes / 1_440)}d ${two(Math.floor((minutes % 1_440) / 60))}h`;
}

/** Returns a whole number with its thousands apart. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** Returns a number in at most five characters, such as `941`, `12.3k`, `1.2M`. */
export function compact(value: number): string {
  if (value < 9_999.5) return count(value);
  if (value < 999_500) return `${three(value / 1e3)}k`;
  if (value < 999_500_000) return `${three(value / 1e6)}M`;
  return `${three(value / 1e9)}G`;
}

/** Returns a cost in US dollars; a dash where none was reported, which is not the same as none. */
export function cost(usd: number | null): string {
  if (usd === null || Number.isNaN(usd)) return "–";
  if (usd === 0) return "$0";
  if (usd < 0.0001) return "<$0.0001";
  return usd < 1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

/** Returns a size, such as `6.2 KiB`. */
export function bytes(value: number): string {
  if (value < 1_024) return `${value}${SEP}B`;
  if (value < 1_048_576) return `${three(value / 1_024)}${SEP}KiB`;
  return `${three(value / 1_048_576)}${SEP}MiB`;
}

/** Returns a local time of day to the millisecond. */
export function timeOfDay(ms: number): string {
  const at = new Date(ms);
  const millis = String(Math.floor(ms) % 1_000).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${millis}`;
}

/** Returns a local date and time to the second, with its offset from UTC. */
export function dateTime(ms: number): string {
  const at = new Date(ms);
  const offset = -at.getTimezoneOffset();
  const sign = offset < 0 ? "-" : "+";
  const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${day(ms)} ${timeOfDay(ms).slice(0, 8)} ${zone}`;
}

/** Returns a local date, `2026-11-21`. */
export function day(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** Returns nanoseconds since 1970 as milliseconds; what is finer than a microsecond is lost. */
export function msOf(ns: string): number {
  return Number(BigInt(ns) / 1_000n) / 1_000;
}

/** Returns a count with its noun, `1 span` or `2 spans`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

function three(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
