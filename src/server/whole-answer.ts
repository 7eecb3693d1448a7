// An answer that is all there.

import type { ServerResponse } from "node:http";

/** Sends head and body in one piece: two would wake the client twice. */
export function sendWhole(
  res: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | number>>,
  body: string | undefined,
): void {
  res.cork();
  res.writeHead(status, headers);
  res.end(body);
  res.uncork();
}
