// The error of everything in this folder: a Fault that knows the lines it speaks of.

import { Fault } from "../../lib/errors.ts";

/** Lines of the Dockerfile, counted from 1, both included. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

/** Returns a Fault `dockerfile.syntax`; `lines` goes into its detail, and so does where else it is to be seen. */
export function syntaxError(message: string, lines?: LineRange, alsoAt: readonly LineRange[] = []): Fault {
  return new Fault("invalidParameter", message, {
    code: "dockerfile.syntax",
    detail: {
      ...(lines === undefined ? {} : { line: lines.start, endLine: lines.end }),
      ...(alsoAt.length === 0 ? {} : { alsoAt }),
    },
  });
}

/** Returns the lines that a failure is about: the place, and where else it is to be seen. */
export function placesOf({ detail }: Fault): LineRange[] {
  const { line, endLine, alsoAt = [] } = detail as { line?: number; endLine?: number; alsoAt?: LineRange[] };
  return line === undefined ? [] : [{ start: line, end: endLine ?? line }, ...alsoAt];
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
