// Bytes both ways over a unix socket, by the runtime's own sockets: node:net and its streams cost a client three milliseconds more, which
// a short `exec` notices. What makes another endpoint's connection (request.ts) look the same is at the end.
// Invariant: what was written goes out before the half-close; the reader gets every byte that came before the end.

import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";
import { ChunkQueue } from "./queue.ts";

/** Bytes both ways, of which each may end alone. Reading it to the end, or leaving the loop, does not end the other way. */
export interface Channel extends AsyncIterable<Uint8Array> {
  /** False when the other side is slow: drained() then says when it takes more. */
  write(bytes: Uint8Array): boolean;
  /** Resolves when the other side takes more, or never will. */
  drained(): Promise<void>;
  /** Says that nothing more comes from us. */
  end(): void;
  destroy(): void;
}

/** A channel on a unix socket. */
export class UnixChannel implements Channel {
  #socket: Awaited<ReturnType<typeof Bun.connect>> | undefined;
  readonly #queue = new ChunkQueue({
    pause: () => this.#socket?.pause(),
    resume: () => this.#socket?.resume(),
    cancel: () => {},
  });
  #early: Uint8Array | undefined;
  /** Not yet taken by the kernel, in order. */
  #waiting: Uint8Array[] = [];
  #isEnding = false;
  #isClosed = false;
  #isOver = false;
  #isResting = false;
  #room: PromiseWithResolvers<void> | undefined;

  private constructor() {}

  /** Connects. Throws Fault(unavailable, "http.connect") with detail.errno when nobody listens. */
  static async open(path: string): Promise<UnixChannel> {
    const channel = new UnixChannel();
    await channel.#connect(path);
    return channel;
  }

  async #connect(path: string): Promise<void> {
    try {
      this.#socket = await Bun.connect({
        unix: path,
        allowHalfOpen: true,
        socket: {
          binaryType: "uint8array",
          data: (_socket, chunk) => this.#onData(chunk),
          drain: () => this.#flush(),
          end: () => this.#onEnd(),
          close: (_socket, error) => this.#close(error),
          error: (_socket, error) => this.#close(error),
        },
      });
    } catch (cause) {
      const errno = cause instanceof Error && "code" in cause ? String(cause.code) : "";
      const text = `cannot connect to ${path}: ${errno || String(cause)}`;
      throw new Fault("unavailable", text, { code: "http.connect", detail: { errno }, cause });
    }
  }

  /** Whether the other side has ended it, or it is closed. */
  get isOver(): boolean {
    return this.#isOver || this.#isClosed;
  }

  /** Nobody waits for anything: it does not keep the process from ending, and is closed when the other side says anything, or ends. */
  rest(): void {
    this.#isResting = true;
    this.#socket?.unref();
  }

  /** The opposite of rest(). */
  wake(): void {
    this.#isResting = false;
    this.#socket?.ref();
  }

  #onData(chunk: Uint8Array): void {
    if (this.#isResting) this.destroy();
    else this.#queue.push(chunk);
  }

  #onEnd(): void {
    this.#isOver = true;
    if (this.#isResting) this.destroy();
    else this.#queue.end();
  }

  /** The next bytes; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    const early = this.#early;
    this.#early = undefined;
    return early ?? (await this.#queue.next());
  }

  /** Gives bytes back that the next reader is to get first. */
  putBack(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#early = bytes;
  }

  /** By hand: the first generator of a process costs it half a millisecond. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const value = await this.next();
        return value === undefined ? { done: true, value } : { done: false, value };
      },
    };
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isClosed) return true;
    this.#waiting.push(bytes);
    this.#flush();
    return this.#waiting.length === 0;
  }

  drained(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  end(): void {
    this.#isEnding = true;
    this.#flush();
  }

  destroy(): void {
    this.#socket?.terminate();
    this.#close();
  }

  /** Destroys it; the reader gets the error behind what has come. */
  fail(error: unknown): void {
    this.#queue.fail(error);
    this.destroy();
  }

  #flush(): void {
    for (let first = this.#waiting[0]; first !== undefined && !this.#isClosed; first = this.#waiting[0]) {
      const written = Math.max(0, this.#socket?.write(first) ?? 0);
      if (written < first.length) {
        this.#waiting[0] = first.subarray(written);
        return;
      }
      this.#waiting.shift();
    }
    this.#room?.resolve();
    this.#room = undefined;
    if (this.#isEnding && !this.#isClosed) {
      this.#isEnding = false;
      this.#socket?.shutdown();
    }
  }

  #close(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting = [];
    this.#flush();
    if (error === undefined) this.#queue.end();
    else this.#queue.fail(new Fault("unavailable", error.message, { code: "http.closed", cause: error }));
  }
}

/** Makes a stream of node's look like a channel. */
export function channelOf(socket: Duplex): Channel {
  // The other side may be gone before what we send is; whoever reads learns of it.
  socket.on("error", () => {});
  return {
    [Symbol.asyncIterator]: () => socket[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
    write: (bytes) => socket.write(bytes),
    drained: () =>
      new Promise((resolve) => {
        const done = (): void => {
          socket.off("drain", done);
          socket.off("close", done);
          resolve();
        };
        socket.once("drain", done);
        socket.once("close", done);
      }),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}
