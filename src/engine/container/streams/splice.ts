// Carries bytes between a client and the shim, both ways, until one of them is done. Bytes are passed on as they are unless
// client and program disagree about frames; input is looked at only where the detach keys may be in it.
import { type Duplex, type Readable, Transform } from "node:stream";
import { Fault } from "../../../lib/errors.ts";
import { encodeFrames, FRAME_TYPES, FrameDecoder } from "../../../lib/frames.ts";
import { defaultDetachKeys, DetachWatch, parseDetachKeys } from "../../../lib/term/detach-keys.ts";

/** How long the answer to the last of the input is waited for, where the end of the input ends the connection. */
const ANSWER_MS = 500;

export interface SpliceOptions {
  /** Whether what the client sends goes to the program; it is dropped otherwise. */
  readonly stdin: boolean;
  /** compat: where the end of the client's input is not the end of the program's, it is the end of the connection. */
  readonly endsWithInput: boolean;
  /** Aborts while the client is still there when the daemon leaves: the program's input has not ended then. */
  readonly signal: AbortSignal;
  /** Asked when the client has gone: whether that is the end of the program's input, and the shim has to be told. */
  readonly endsInput?: (() => boolean) | undefined;
  /** The keys that end the connection and leave the program running, undefined for none. */
  readonly detachKeys?: readonly number[] | undefined;
  /** Whether the shim sends frames (no terminal), and whether the client wants them. */
  readonly frames: { readonly given: boolean; readonly wanted: boolean };
  /** The client's stream ends only when this has resolved, too, so that whoever asks for the exit code then gets it. */
  readonly settled: () => Promise<unknown>;
  /** Asked then: what the client gets before its stream ends. */
  readonly lastWords?: (() => Uint8Array) | undefined;
}

/** Copies until the shim is done or the client has gone ("closed"), or the detach keys were typed ("detached"). */
export function splice(client: Duplex, shim: Duplex, options: SpliceOptions): Promise<"closed" | "detached"> {
  const { promise, resolve } = Promise.withResolvers<"closed" | "detached">();
  shim.on("error", () => {}); // ignored: a shim that has gone is seen by its `close`
  const convert = converterOf(options.frames);
  const output = convert === undefined ? shim : shim.pipe(convert);
  output.pipe(client, { end: false });
  const leave = (how: "closed" | "detached"): void => {
    output.unpipe(client);
    shim.destroy();
    client.end();
    resolve(how);
  };
  if (options.stdin) {
    let how: "closed" | "detached" = "closed";
    const watch = watchOf(options.detachKeys, () => {
      how = "detached";
    });
    (watch === undefined ? client : client.pipe(watch)).pipe(shim);
    if (options.endsWithInput || watch !== undefined)
      shim.once("finish", () => setTimeout(() => leave(how), how === "detached" ? 0 : ANSWER_MS).unref());
  } else client.resume();
  const end = (): void => {
    void options.settled().then(() => {
      const lastWords = options.lastWords?.();
      // bun: end() with bytes loses some of those that still wait before them.
      if (lastWords !== undefined && !client.writableEnded) client.write(lastWords);
      client.end();
      resolve("closed");
    });
  };
  output.once("end", end);
  shim.once("close", end);
  options.signal.addEventListener("abort", () => !client.destroyed && shim.destroy(), { once: true });
  const onGone = (): void => {
    if (options.endsInput?.()) endInput(shim, output, client);
    else shim.destroy();
    resolve("closed");
  };
  if (client.closed) onGone();
  else client.once("close", onGone);
  return promise;
}

/** To the shim the loss of a connection is the loss of a daemon; the end of the input is a half-close, and the rest goes nowhere. */
function endInput(shim: Duplex, output: Readable, client: Duplex): void {
  output.unpipe(client);
  output.resume();
  shim.end();
}

/** The detach keys end the input; what was typed before them is the program's. */
function watchOf(keys: readonly number[] | undefined, onDetach: () => void): Transform | undefined {
  if (keys === undefined) return undefined;
  const watch = new DetachWatch(keys);
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      const { pass, isDetached } = watch.push(chunk);
      if (pass.length > 0) this.push(pass);
      if (isDetached) {
        onDetach();
        this.push(null);
      }
      done();
    },
  });
}

function converterOf(frames: SpliceOptions["frames"]): Transform | undefined {
  if (frames.given === frames.wanted) return undefined;
  const decoder = new FrameDecoder();
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      if (frames.wanted) this.push(encodeFrames([{ type: FRAME_TYPES.stdout, data: chunk }]));
      else for (const { data } of decoder.push(chunk)) this.push(data);
      done();
    },
  });
}

/** Returns the keys that a request names, the usual ones for "". Fails with invalidParameter and these words. */
export function readDetachKeys(
  text: string | undefined,
  refusal: (keys: string) => string,
): readonly number[] {
  if (!text) return defaultDetachKeys;
  try {
    return parseDetachKeys(text);
  } catch (cause) {
    throw new Fault("invalidParameter", refusal(text), { code: "detach-keys.invalid", cause });
  }
}
