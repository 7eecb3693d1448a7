// What a registry answers when it refuses: status, code and message (OCI distribution specification 1.1, "Error Codes").
import { Fault, messageOf } from "../../lib/errors.ts";

const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  PAGINATION_NUMBER_INVALID: 400,
  RANGE_INVALID: 416,
  SIZE_INVALID: 413,
  TAG_INVALID: 400,
  UNAUTHORIZED: 401,
  UNSUPPORTED: 405,
  UNAVAILABLE: 503,
  UNKNOWN: 500,
} as const;

export type ErrorCode = keyof typeof STATUS;

/** A refusal in the protocol's words. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  /** Names what was refused, such as a digest. */
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { detail?: unknown; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.code = code;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return STATUS[this.code];
  }

  get body(): string {
    const detail = this.detail === undefined ? {} : { detail: this.detail };
    return JSON.stringify({ errors: [{ code: this.code, message: this.message, ...detail }] });
  }
}

/** Which refusals the Faults of lower floors are. */
const CODE_OF_KIND: Partial<Record<Fault["kind"], ErrorCode>> = {
  notFound: "BLOB_UNKNOWN",
  dataLoss: "DIGEST_INVALID",
  invalidParameter: "MANIFEST_INVALID",
  unavailable: "UNAVAILABLE",
};

/** Returns any failure as a refusal; what is nobody's fault but the server's is UNKNOWN. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const code = error instanceof Fault ? CODE_OF_KIND[error.kind] : undefined;
  return new Refusal(code ?? "UNKNOWN", code === undefined ? "internal error" : messageOf(error));
}
