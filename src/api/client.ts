// Calls the Engine API as the contract declares it, over lib/http1. Loads no schema: responses are trusted as far as
// JSON goes. Error responses become Faults with the server's message and the kind of the status code;
// a daemon that cannot be reached is Fault(unavailable, "daemon.unreachable") with detail.host.
// Used by the CLI, Compose and tests; works against Docker Engine as well.

import type { Duplex } from "node:stream";
import type { ArgumentsOf, OperationSpec, ResultOf } from "./contract.ts";

export interface ClientOptions {
  /** `unix:///path`, `tcp://host:port` or `http://host:port`. */
  readonly host: string;
  /** API version to speak, `major.minor`; the server's newest when absent. */
  readonly version?: string | undefined;
  /** Added to every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds to wait for a connection; 10 000 when absent. */
  readonly connectTimeoutMs?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Request body of operations that take bytes; sent chunked unless it is a Uint8Array. */
  readonly upload?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A response that is read piece by piece: JSON lines or bytes. Breaking off the loop closes the connection. */
export interface StreamResponse<T> extends AsyncIterable<T> {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** A hijacked connection. */
export interface HijackedConnection {
  /** Raw bytes both ways; what came with the response head is read first; `end()` half-closes. */
  readonly socket: Duplex;
  /** Whether the server says that it sends 8-byte frames; undefined when it does not say (API < 1.42). */
  readonly isMultiplexed: boolean | undefined;
}

/** Element type of a streamed response: parsed lines, or bytes. */
export type StreamItemOf<O extends OperationSpec> = O["success"]["kind"] extends "lines"
  ? ResultOf<O>
  : Uint8Array;

export interface Client {
  readonly host: string;
  /** The API version in the path of every request, undefined for the server's newest. */
  readonly version: string | undefined;
  /** Makes a call that answers one value or nothing. */
  call<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<ResultOf<O>>;
  /** Makes a call that answers a stream; resolves when the response's head is there. */
  stream<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<StreamResponse<StreamItemOf<O>>>;
  /** Makes a call that takes the connection over. */
  hijack<O extends OperationSpec>(
    operation: O,
    args: ArgumentsOf<O>,
    options?: CallOptions,
  ): Promise<HijackedConnection>;
  /** The response headers of HEAD /_ping (names in lower case), such as api-version. */
  ping(options?: CallOptions): Promise<ReadonlyMap<string, string>>;
}
