/** Where the recorder is, by the rule of every binding. */

import { existsSync } from "node:fs";

const SYSTEM_SOCKET = "/run/sidespan/ingest.sock";

/**
 * Return the path of the recorder's socket: what the program gave, else `SIDESPAN_SOCKET`, else the
 * user's socket when there is one, else the system's.
 *
 * @param given A path or `unix://PATH`; empty for nothing.
 * @throws {RangeError} The address is not of a socket; this client speaks frames only.
 */
export function resolveAddress(
  given: string,
  environment: NodeJS.ProcessEnv = process.env,
  exists: (path: string) => boolean = existsSync,
): string {
  const address = given || environment["SIDESPAN_SOCKET"] || "";
  if (address.startsWith("unix://")) return address.slice("unix://".length);
  if (address.includes("://")) {
    throw new RangeError(`address ${JSON.stringify(address)}: expected a path or unix://PATH`);
  }
  if (address !== "") return address;
  const directory = environment["XDG_RUNTIME_DIR"];
  if (directory) {
    const path = `${directory}/sidespan/ingest.sock`;
    if (exists(path)) return path;
  }
  return SYSTEM_SOCKET;
}
