/** Words for a command line. */

/** Returns a word as a POSIX shell reads it back; bare where nothing in it is special. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
