// The error of everything in this folder: a Fault that knows the lines it speaks of.

import { Fault } from "../../lib/errors.ts";

/** Lines of the Dockerfile, counted from 1, both included. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

/** Returns a Fault `dockerfile.syntax`; `lines` goes into its detail. */
export function syntaxError(message: string, lines?: LineRange): Fault {
  return new Fault("invalidParameter", message, {
    code: "dockerfile.syntax",
    detail: lines === undefined ? {} : { line: lines.start, endLine: lines.end },
  });
}

/** Returns `error` with `prefix` before its message and the lines added, kind and code kept. */
export function withPlace(error: unknown, prefix: string, lines?: LineRange): unknown {
  if (!(error instanceof Fault)) return error;
  return new Fault(error.kind, prefix + error.message, {
    code: error.code,
    detail: lines === undefined ? error.detail : { line: lines.start, endLine: lines.end, ...error.detail },
    cause: error.cause,
  });
}
