/** Wall-clock time in nanoseconds, finer than `Date.now`. */

const NS_PER_MS = 1_000_000n;
/** Further apart than this, the wall clock was set, and is followed. */
const DRIFT_NS_MAX = 5n * NS_PER_MS;

let offset = BigInt(Date.now()) * NS_PER_MS - process.hrtime.bigint();

/** Return nanoseconds since the Unix epoch. */
export function nowNs(): bigint {
  const steady = process.hrtime.bigint();
  const wall = BigInt(Date.now()) * NS_PER_MS;
  const now = steady + offset;
  if (now - wall > DRIFT_NS_MAX || wall - now > DRIFT_NS_MAX) offset = wall - steady;
  return steady + offset;
}
