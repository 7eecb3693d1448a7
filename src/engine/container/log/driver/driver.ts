// What a log driver is. Whatever the driver, the shim writes the lines to a local file (storage); a driver with a receiver also
// opens a delivery, to which a shipper (ship/shipper.ts) hands the lines from that file.
import type { PluginLookup } from "../../../../lib/plugin-protocol/lookup.ts";
import type { Keel } from "../../../../linux/keel.ts";
import type { LogInfo } from "../info.ts";
import { invalidOption, type LogOptions } from "../settings.ts";

/** How the local file is kept. */
export interface LogStorage {
  /** Docker's format, or our own, see native/PROTOCOL.md. */
  readonly kind: "json-file" | "spool";
  /** Rotated when it is that large; 0: never. */
  readonly maxSizeBytes: number;
  readonly maxFiles: number;
  /** Whether rotated files are compressed. */
  readonly isCompressed: boolean;
}

/** One line, or a piece of a long one, on its way to a receiver. */
export interface LogMessage {
  /** Counts the container's messages from 1. */
  readonly n: number;
  readonly stream: "stdout" | "stderr";
  /** RFC 3339 with up to nine fractional digits. */
  readonly time: string;
  readonly timeNano: bigint;
  /** Without the newline. */
  readonly line: Buffer;
  readonly piece?: Piece;
}

/** What joins the pieces of a long line. */
export interface Piece {
  readonly id: string;
  /** Counts from 1. */
  readonly ordinal: number;
  readonly isLast: boolean;
}

/** A way to a receiver, connected when there is something to send. */
export interface Delivery {
  /**
   * Hands messages over in order and resolves when the receiver, or the kernel for it, has the first `taken` of them; `rejected` are
   * those among them that can never be delivered. Fails when nothing can be said; then all are sent again.
   */
  send(messages: readonly LogMessage[], signal: AbortSignal): Promise<{ taken: number; rejected: number }>;
  /** Ends the connection in the orderly way and fails when the receiver may not have had everything. */
  finish(): Promise<void>;
  /** Ends it at once. */
  close(): void;
}

/** How a driver's shipper goes about failures. */
export interface RetryPolicy {
  /** Pause after the first failure; it grows to a minute. */
  readonly firstDelayMs: number;
  /** How often a batch is tried again before it is dropped. */
  readonly maxRetries: number;
  /** Most bytes of lines in one batch. */
  readonly batchBytes: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  firstDelayMs: 1000,
  maxRetries: Number.POSITIVE_INFINITY,
  batchBytes: 256 * 1024,
};

export interface DeliveryContext {
  readonly info: LogInfo;
  readonly keel: Keel;
  /** journald's socket. */
  readonly journalSocket: string;
  readonly plugins: PluginLookup;
  /** Called when a connection was lost and the last batch may not have arrived. */
  onUncertain(): void;
}

export interface LogDriver {
  readonly name: string;
  /** Refuses options with invalidParameter in Docker's words. They do not contain those that all drivers have. */
  check(options: LogOptions): void;
  storage(options: LogOptions): LogStorage;
  /** The tag of a container that asks for none; "" where the driver shows none then. */
  readonly defaultTag: string;
  /** Absent where lines are only kept locally. */
  readonly remote?: {
    retry(options: LogOptions): RetryPolicy;
    /** Prepares the delivery; fails where this host lacks what it needs. Does not wait for the receiver. */
    open(context: DeliveryContext): Promise<Delivery>;
  };
}

/** Options of all drivers, which check() does not get, see options.ts. */
const ATTRIBUTES = ["env", "env-regex", "labels", "labels-regex", "tag"];

/** Fails with invalidParameter on an option that is neither an attribute nor among `names`. */
export function checkNames(
  options: LogOptions,
  names: readonly string[],
  text: (name: string) => string,
): void {
  const unknown = Object.keys(options).find((name) => !ATTRIBUTES.includes(name) && !names.includes(name));
  if (unknown !== undefined) throw invalidOption(text(unknown));
}
