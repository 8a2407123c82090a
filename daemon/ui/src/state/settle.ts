/** What is asked for again and again, faster than anybody reads an answer. */

/**
 * Returns a function that begins what it is given: at once, or, when the one before was given less
 * than `pauseMs` ago, once nothing else was given for that long.
 *
 * What it returns stops what was begun, or takes care that it never begins.
 */
export function settling(pauseMs: number): (begin: () => () => void) => () => void {
  let givenAt = -Infinity;
  return (begin) => {
    const now = Date.now();
    const fast = now - givenAt < pauseMs;
    givenAt = now;
    if (!fast) return begin();
    const timer = setTimeout(() => (stop = begin()), pauseMs);
    let stop = (): void => clearTimeout(timer);
    return () => stop();
  };
}

/**
 * Returns a function that runs what it is given at once, but begins no sooner than `pauseMs` after
 * the one before; of what is given meanwhile the last is run, unless it was called off.
 *
 * What it returns calls it off.
 */
export function paced(pauseMs: number): (run: () => void) => () => void {
  let ranAt = -Infinity;
  return (run) => {
    const go = (): void => {
      ranAt = Date.now();
      run();
    };
    const rest = ranAt + pauseMs - Date.now();
    if (rest > 0) {
      const timer = setTimeout(go, rest);
      return () => clearTimeout(timer);
    }
    go();
    return () => undefined;
  };
}
