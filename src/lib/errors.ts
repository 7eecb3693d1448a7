// The one error class of the project. A lower floor throws a Fault with a kind and a stable code; only
// server/ turns kinds into HTTP status codes and only cli/ turns them into exit codes.

/** What sort of failure it is; moby's errdefs vocabulary plus dataLoss. */
export type FaultKind =
  | "notFound"
  | "invalidParameter"
  | "conflict"
  | "unauthorized"
  | "forbidden"
  | "unavailable"
  | "notModified"
  | "notImplemented"
  | "cancelled"
  | "deadline"
  | "dataLoss"
  | "system";

export interface FaultOptions {
  /** Stable machine-readable code `noun.problem`, such as `container.name-taken`. */
  code?: string;
  /** Structured facts for callers and logs (ids, paths, exit codes). */
  detail?: Readonly<Record<string, unknown>>;
  cause?: unknown;
}

/** An expected failure: `message` is one line, lower case, outward-in, fit to be shown to a user. */
export class Fault extends Error {
  readonly kind: FaultKind;
  readonly code: string;
  readonly detail: Readonly<Record<string, unknown>>;
  constructor(kind: FaultKind, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Fault";
    this.kind = kind;
    this.code = options.code ?? kind;
    this.detail = options.detail ?? {};
  }
}

/** A kernel operation that failed inside keel: which operation, on what path, with what errno. */
export class SysError extends Error {
  readonly op: string;
  readonly path: string;
  /** Positive errno value (2 = ENOENT), 0 when the failure is not the kernel's. */
  readonly errno: number;
  /** Index of the failed operation in its request, -1 when not applicable. */
  readonly index: number;
  /** What went wrong, without operation and path. */
  readonly text: string;
  constructor(op: string, path: string, errno: number, text: string, index = -1) {
    super(path === "" ? `${op}: ${text}` : `${op} ${path}: ${text}`);
    this.name = "SysError";
    this.op = op;
    this.path = path;
    this.errno = errno;
    this.index = index;
    this.text = text;
  }
}

/** Returns the error's message, or its text when something other than an Error was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
