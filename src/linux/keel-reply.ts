// What keel answers to a request, whichever way it was sent (PROTOCOL.md "Values and frames").

import { Fault, SysError } from "../lib/errors.ts";
import { asList, asNumber, asText, type Reply } from "./wire.ts";

/** Returns the error for a connection that is not there any more. */
export function lostConnection(cause?: unknown): Fault {
  return new Fault("unavailable", "connection to keel is closed", { code: "keel.lost", cause });
}

/** Throws what an error reply says, or returns the list behind `[0, warnings, …]`. */
export function readReply(reply: Reply[] | null): { warnings: string[]; rest: Reply[] } {
  if (reply === null) throw lostConnection();
  const errno = asNumber(reply[0]);
  if (errno !== 0)
    throw new SysError(
      asText(reply[1]),
      asText(reply[2]),
      errno,
      asText(reply[3]),
      reply[4] === undefined ? -1 : asNumber(reply[4]),
    );
  return { warnings: asList(reply[1]).map(asText), rest: reply.slice(2) };
}
