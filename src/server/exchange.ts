// One request on its way through the server: its context, its body and the ways to answer it. Knows HTTP and the contract's
// success kinds, no operation. Every answer is flushed as it is written; a slow client slows the writer down.
// Invariant: `signal` aborts when the client goes away before the answer is complete, and never after.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Call, Hijack, OutputChunk, ProgressSink } from "../api/call.ts";
import type { OperationSpec } from "../api/contract.ts";
import { statusOf } from "../api/errors.ts";
import { encodeFrames, FRAME_TYPES } from "../lib/frames.ts";
import { isAtLeast } from "../lib/version-order.ts";
import { Fault, messageOf } from "../lib/errors.ts";
import { stringifyJson } from "../lib/json/parse.ts";
import type { GatedAnswer } from "./access/gate.ts";
import { type HijackTransport, MULTIPLEXED_STREAM, RAW_STREAM } from "./hijack.ts";
import { readJsonBody } from "./input.ts";
import { sendWhole } from "./whole-answer.ts";
import { MAX_JSON_BODY_BYTES, readWhole } from "./whole-body.ts";

const JSON_TYPE = { "Content-Type": "application/json" } as const;

/** The JSON of an error, as every Docker client reads it. */
export function errorBody(message: string): string {
  return `${stringifyJson({ message })}\n`;
}

/** Returns the status code for whatever was thrown. */
export function statusOfError(error: unknown): number {
  return error instanceof Fault ? statusOf(error.kind) : 500;
}

export interface ExchangeOptions {
  readonly operation: OperationSpec;
  readonly version: string;
  readonly req: IncomingMessage;
  /** Absent for upgrade requests. */
  readonly res: ServerResponse | undefined;
  /** What every answer has; given with its own, which is cheaper than to set them one by one. */
  readonly headers: Readonly<Record<string, string>>;
  /** Present for operations that hijack. */
  readonly transport: HijackTransport | undefined;
}

export class Exchange {
  readonly operation: OperationSpec;
  readonly call: Call;
  readonly req: IncomingMessage;
  readonly #options: ExchangeOptions;
  readonly #abort = new AbortController();
  /** Looks at a success answer before it is sent, and may throw what the client gets in its stead. */
  onAnswer: ((answer: GatedAnswer) => Promise<void>) | undefined;
  /** The JSON body as it came. */
  bodyText = "";
  #reviewing: Promise<void> | undefined;
  #stream: Duplex | undefined;
  #isTty = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.operation = options.operation;
    this.req = options.req;
    this.call = { signal: this.#abort.signal, version: options.version };
    const { res } = options;
    if (res) res.on("close", () => res.writableFinished || this.abort("client went away"));
    else options.transport?.socket.on("close", () => this.abort("client went away"));
  }

  abort(why: string): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(new Fault("cancelled", why));
  }

  /** Whether part of a success answer is out, so that no status code can be given any more. */
  get isAnswered(): boolean {
    return this.#stream !== undefined || (this.#options.res?.headersSent ?? false);
  }

  /** Whether the client has asked for another protocol, and may have it. */
  get isUpgrade(): boolean {
    return this.#options.res === undefined;
  }

  get #res(): ServerResponse {
    const { res } = this.#options;
    if (res) return res;
    throw new Fault("invalidParameter", "this operation does not upgrade the connection");
  }

  /** Reads the JSON body; of a request that may be hijacked it also sets free what follows the body: early stdin. */
  async readJson(): Promise<unknown> {
    const { operation, req } = this;
    const { transport } = this.#options;
    if (operation.body?.kind !== "json") {
      await transport?.readBody();
      return undefined;
    }
    this.bodyText = transport
      ? await transport.readBody()
      : (await readWhole(req, MAX_JSON_BODY_BYTES)).toString("utf8");
    return readJsonBody(operation, this.bodyText);
  }

  /** Answers with a body, or with none when it is undefined. */
  send(status: number, headers: Readonly<Record<string, string>>, body: string | undefined): void {
    const { onAnswer } = this;
    if (onAnswer === undefined || status >= 400) return this.#sendNow(status, headers, body);
    this.onAnswer = undefined;
    this.#reviewing = onAnswer({ status, headers, body: body ?? "" }).then(() =>
      this.#sendNow(status, headers, body),
    );
  }

  /** Resolves when the answer has been looked at; that of a stream is when it is over. Rejects with what is wrong with it. */
  async reviewed(): Promise<void> {
    const { onAnswer } = this;
    if (onAnswer !== undefined && this.#stream === undefined && this.isAnswered)
      await onAnswer({ status: 200, headers: {}, body: "" });
    await this.#reviewing;
  }

  #sendNow(status: number, headers: Readonly<Record<string, string>>, body: string | undefined): void {
    const { res, transport } = this.#options;
    if (res === undefined) {
      transport?.respond(status, headers, body ?? "");
      return;
    }
    const length =
      status === 204 || status === 304 ? {} : { "Content-Length": String(Buffer.byteLength(body ?? "")) };
    sendWhole(res, status, { ...this.#options.headers, ...length, ...headers }, body);
    this.#dropUpload();
  }

  json(status: number, value: unknown): void {
    this.send(status, JSON_TYPE, `${stringifyJson(value)}\n`);
  }

  /** Answers with an error; after the answer has begun the connection is cut instead, so that nobody takes it for whole. */
  fail(error: unknown): void {
    if (this.isAnswered) {
      (this.#stream ?? this.#options.res)?.destroy();
      return;
    }
    const status = statusOfError(error);
    const { success } = this.operation;
    if (status === 304) this.send(304, {}, undefined);
    else if (success.kind === "hijack" && success.failsAsText)
      this.send(status, { "Content-Type": RAW_STREAM }, `${messageOf(error)}\r\n`);
    else this.send(status, JSON_TYPE, errorBody(messageOf(error)));
  }

  /** Sends the head of a streamed answer at once. */
  open(headers: Readonly<Record<string, string>>): void {
    const res = this.#res;
    res.writeHead(200, { ...this.#options.headers, ...headers });
    res.flushHeaders();
  }

  /** Writes a piece of a streamed answer; resolves when more may be written, also when the client is gone. */
  write(piece: string | Uint8Array): Promise<void> {
    const res = this.#res;
    if (this.call.signal.aborted) return Promise.resolve();
    // In one piece: the chunk's length, the chunk and its end would wake the client three times. That is cheaper than to copy a large one.
    const isLarge = piece.length >= LARGE_BYTES;
    if (!isLarge) res.cork();
    res.write(piece);
    if (!isLarge) res.uncork();
    const { socket } = res;
    if (socket?.writableNeedDrain !== true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        socket.removeListener("drain", done);
        socket.removeListener("close", done);
        resolve();
      };
      socket.on("drain", done);
      socket.on("close", done);
    });
  }

  /** Ends a streamed answer, with a last piece in the same write. */
  end(last?: string): void {
    const res = this.#res;
    res.cork();
    res.end(last);
    res.uncork();
    this.#dropUpload();
  }

  /** A sink of JSON lines; the first one starts the answer, with these headers, too. */
  progress(headers: Readonly<Record<string, string>> = {}): ProgressSink {
    return {
      write: (line) => {
        if (!this.isAnswered && !this.call.signal.aborted) this.open({ ...JSON_TYPE, ...headers });
        return this.write(`${stringifyJson(line)}\r\n`);
      },
    };
  }

  /** Streams pieces until they end or the client goes away; closes the iterator in either case. */
  async pipe<T>(items: AsyncIterable<T>, write: (item: T) => Promise<void> | undefined): Promise<void> {
    const iterator = items[Symbol.asyncIterator]();
    const { signal } = this.call;
    let giveUp = (): void => {};
    const onAbort = (): void => giveUp();
    signal.addEventListener("abort", onAbort, { once: true });
    // Not Promise.race with one promise for the whole stream: that would keep every piece until the stream's end.
    const nextOrAbort = (): Promise<IteratorResult<T> | undefined> =>
      new Promise((resolve, reject) => {
        giveUp = () => resolve(undefined);
        iterator.next().then(resolve, reject);
      });
    try {
      while (!signal.aborted) {
        const next = await nextOrAbort();
        if (next === undefined || next.done === true) break;
        await write(next.value);
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      // Not awaited when the client is gone: a generator that waits for its next value would never return.
      const closing = Promise.resolve(iterator.return?.());
      if (signal.aborted)
        closing.catch(() => {}); // ignored: nobody is left to hear of it
      else await closing;
    }
  }

  /** Media type of a container's output. */
  outputType(isTty: boolean): string {
    return !isTty && isAtLeast(this.call.version, "1.42") ? MULTIPLEXED_STREAM : RAW_STREAM;
  }

  /** Returns output as it goes over the wire: framed unless it is a tty's. */
  encodeOutput(chunks: readonly OutputChunk[], isTty: boolean): Uint8Array {
    if (isTty) return Buffer.concat(chunks.map((chunk) => chunk.data));
    return encodeFrames(chunks.map(({ stream, data }) => ({ type: FRAME_TYPES[stream], data })));
  }

  get hijack(): Hijack {
    return {
      wantsFrames: this.#options.transport?.isWebsocket !== true,
      accept: ({ isTty, ...more }) => {
        const { transport, version } = this.#options;
        if (transport === undefined) throw new Fault("system", `${this.operation.name} cannot be hijacked`);
        this.#isTty = isTty;
        this.#stream = transport.accept({ isTty, version, ...more });
        this.#stream.on("close", () => this.abort("client went away"));
        return this.#stream;
      },
    };
  }

  /** Ends a hijacked connection: our side now, the client's when it closes, or after a grace period. */
  closeStream(error?: unknown): void {
    const stream = this.#stream;
    if (stream === undefined || stream.destroyed) return;
    if (error !== undefined && stream.writable) {
      const data = Buffer.from(`${messageOf(error)}\r\n`);
      stream.write(this.encodeOutput([{ stream: "stdout", data }], this.#isTty));
    }
    if (stream.writable) stream.end();
    stream.resume(); // unread stdin would hide the client's end
    const timer = setTimeout(() => stream.destroy(), STREAM_GRACE_MS);
    timer.unref();
    stream.on("close", () => clearTimeout(timer));
    stream.on("end", () => stream.destroy());
    if (stream.readableEnded) stream.once("finish", () => stream.destroy());
  }

  /** Lets go of a body that nobody read: reads it away for a while, then cuts the connection. */
  #dropUpload(): void {
    const { req } = this;
    if (req.complete || req.destroyed) return;
    req.resume();
    const timer = setTimeout(() => req.socket.destroy(), UPLOAD_GRACE_MS);
    timer.unref();
    req.once("close", () => clearTimeout(timer));
    req.once("end", () => clearTimeout(timer));
  }
}

const LARGE_BYTES = 64 << 10;
/** How long a client may go on sending a body after its answer. */
const UPLOAD_GRACE_MS = 10_000;
/** How long a client may keep its side of a finished stream open. */
const STREAM_GRACE_MS = 30_000;
