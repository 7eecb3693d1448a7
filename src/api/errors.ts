// How kinds of Faults and HTTP status codes correspond, for both ends of the wire, and the codes the client itself adds.
// moby's httpstatus and errdefs define the mapping.

import type { FaultKind } from "../lib/errors.ts";

const STATUS: Readonly<Record<FaultKind, number>> = {
  notFound: 404,
  invalidParameter: 400,
  conflict: 409,
  unauthorized: 401,
  forbidden: 403,
  unavailable: 503,
  notModified: 304,
  notImplemented: 501,
  cancelled: 500,
  deadline: 500,
  dataLoss: 500,
  system: 500,
};

/** Returns the status code that Docker answers for a kind of failure. */
export function statusOf(kind: FaultKind): number {
  return STATUS[kind];
}

const KINDS: ReadonlyMap<number, FaultKind> = new Map([
  [400, "invalidParameter"],
  [401, "unauthorized"],
  [403, "forbidden"],
  [404, "notFound"],
  [409, "conflict"],
  [501, "notImplemented"],
  [503, "unavailable"],
]);

/** Returns the kind of failure that a status code of 400 and more stands for. */
export function kindOf(status: number): FaultKind {
  const kind = KINDS.get(status);
  if (kind !== undefined) return kind;
  return status >= 500 ? "system" : "invalidParameter";
}

/** No daemon answers at the host: not running, no socket, no route. detail.host names it. */
export const DAEMON_UNREACHABLE = "daemon.unreachable";
/** The socket is there but may not be opened by this user. detail.host names it. */
export const DAEMON_PERMISSION = "daemon.permission-denied";
/** There is something at the host, but no connection to the daemon comes of it: certificates, ssh. detail.host names it. */
export const DAEMON_CONNECT = "daemon.connect";
