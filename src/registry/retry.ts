// What is done about transfers that break off: they are tried again, later and later, from where they broke off, as Docker does.
import { Fault } from "../lib/errors.ts";
import { RATE_LIMITED } from "./answers.ts";

/** Each further attempt waits for so many seconds more. */
const STEP_SECONDS = 5;
/** A connection that brings nothing for so long is given up. */
const STALL_MS = 60_000;

export interface RetryPolicy {
  /** How often a transfer is tried altogether, at least once. */
  readonly attempts: number;
  /** How long a second takes. */
  readonly secondMs?: number;
  readonly stallMs?: number;
}

/** Called once a second before the next attempt, with the seconds that are left. */
export type OnWait = (secondsLeft: number) => Promise<void> | void;

/** Waits before the attempt after the `failed`th one has failed. Throws the signal's reason. */
export async function waitToRetry(
  failed: number,
  onWait: OnWait,
  signal: AbortSignal,
  secondMs = 1000,
): Promise<void> {
  for (let left = failed * STEP_SECONDS; left > 0; left--) {
    await onWait(left);
    await pause(secondMs, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** Bytes of a blob; without `end` to its last one. */
export interface ByteRange {
  readonly start: number;
  /** Byte behind the last one. */
  readonly end?: number;
}

/** Opens a part of a blob. What answers with all of it (status 200) is fine. */
export type OpenBlob = (range: ByteRange, signal: AbortSignal) => Promise<Response>;

export interface DownloadOptions {
  readonly policy: RetryPolicy;
  readonly onWait: OnWait;
  /** Called with each answer before its body is read. */
  readonly onResponse?: (response: Response) => void;
  readonly signal: AbortSignal;
}

/**
 * Yields the bytes of a blob, each once and in order, over as many connections as it takes. Fails with what the last attempt failed with;
 * what no repetition will change (denied, not found) at once. Size and digest are for the taker to verify: an answer that is short
 * and whole is the registry's last word.
 */
export async function* download(
  open: OpenBlob,
  options: DownloadOptions,
  range: ByteRange = { start: 0 },
): AsyncGenerator<Uint8Array> {
  const { policy, onWait, signal } = options;
  let at = range.start;
  for (let attempt = 1; ; attempt++) {
    try {
      for await (const chunk of attemptFrom(open, { ...range, start: at }, options)) {
        at += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (attempt >= policy.attempts || !mayPass(error)) throw error;
    }
    await waitToRetry(attempt, onWait, signal, policy.secondMs);
  }
}

async function* attemptFrom(
  open: OpenBlob,
  range: ByteRange,
  { policy: { stallMs = STALL_MS }, onResponse, signal }: DownloadOptions,
): AsyncGenerator<Uint8Array> {
  const stalled = new AbortController();
  const watch = (): NodeJS.Timeout =>
    setTimeout(() => stalled.abort(brokenOff(`nothing came for ${stallMs / 1000} seconds`)), stallMs);
  let timer = watch();
  try {
    const response = await open(range, AbortSignal.any([signal, stalled.signal]));
    let skipped = skipOf(response, range.start);
    onResponse?.(response);
    let left = Number(response.headers.get("content-length") ?? 0);
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      left -= chunk.length;
      const skip = Math.min(skipped, chunk.length);
      skipped -= skip;
      if (skip < chunk.length) yield chunk.subarray(skip);
      timer = watch();
    }
    if (left > 0) throw brokenOff(`${left} bytes are missing at its end`);
  } catch (error) {
    if (stalled.signal.aborted) throw stalled.signal.reason as Fault;
    throw error instanceof Fault
      ? error
      : brokenOff(error instanceof Error ? error.message : String(error), error);
  } finally {
    clearTimeout(timer);
  }
}

/** How many bytes come again that were asked to be left out. */
function skipOf(response: Response, start: number): number {
  if (response.status !== 206) return start;
  const from = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (from === undefined || Number(from) > start)
    throw new Fault("system", "registry sent another part of a blob than it was asked for", {
      code: "registry.protocol",
    });
  return start - Number(from);
}

/** Whether the same request may succeed later. */
export function mayPass(error: unknown): boolean {
  return error instanceof Fault && error.kind === "unavailable" && error.code !== RATE_LIMITED;
}

function brokenOff(why: string, cause?: unknown): Fault {
  return new Fault("unavailable", `download broke off: ${why}`, { code: "registry.broken-off", cause });
}
