// A unix socket that carries keel's frames, and raw bytes between them where the protocol says so. It is not a
// client: who may speak when is the caller's business. Invariant: receivers are served in the order in which they
// asked, and after the connection is lost every one of them fails with Fault("unavailable").

import { closeSync, constants, openSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { Fault } from "../lib/errors.ts";
import { lostConnection } from "./keel-reply.ts";
import { decodeBody, frameLength, type Reply } from "./wire.ts";

/** sun_path holds 108 bytes with its NUL (unix(7)). */
const MAX_SUN_PATH = 107;
/** Received and not yet taken bytes above which the socket is paused; more than the largest frame must fit. */
const PAUSE_ABOVE_BYTES = 4 << 20;

/** One connection. Frames go out whole; what comes in is taken by `receive` and `receiveRaw`. */
export class FrameSocket {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #buffered = 0;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #drained: { promise: Promise<void>; resolve: () => void } | undefined;
  #closed: { promise: Promise<void>; resolve: () => void };
  #turn: Promise<unknown> = Promise.resolve();

  /** Takes over a connected socket. `early` are bytes that were read from it already. */
  constructor(socket: Socket, early?: Buffer) {
    this.#socket = socket;
    this.#closed = Promise.withResolvers<void>();
    if (early !== undefined && early.length > 0) this.#take(early);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("end", () => {
      this.#end();
      socket.end(); // half-open connections are for streams (see release), not for frames
    });
    socket.on("error", (error: Error) => {
      this.#failure ??= error;
      this.#end();
    });
    socket.on("close", () => {
      this.#end();
      this.#closed.resolve();
    });
    socket.on("drain", () => {
      this.#drained?.resolve();
      this.#drained = undefined;
    });
  }

  get isClosed(): boolean {
    return this.#ended;
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#buffered > PAUSE_ABOVE_BYTES) this.#socket.pause();
    this.#signal();
  }

  #end(): void {
    this.#ended = true;
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#signal();
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Sends bytes. Returns a promise only when the socket is full; it resolves when there is room again. */
  send(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#ended) throw lostConnection(this.#failure);
    if (this.#socket.write(bytes)) return undefined;
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise.then(() => {
      if (this.#ended) throw lostConnection(this.#failure);
    });
  }

  /** Runs `body` when every earlier receiver is done, so that replies reach those who asked for them. */
  inTurn<T>(body: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(body, body);
    this.#turn = mine.catch(() => undefined); // ignored: the failure belongs to who asked
    return mine;
  }

  async #fill(atLeast: number): Promise<boolean> {
    while (this.#buffered < atLeast) {
      if (this.#ended) return false;
      this.#socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return true;
  }

  /** Cuts `size` bytes, which must be there, off the front: a view where one chunk holds them all. */
  #cut(size: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    this.#buffered -= size;
    if (first.length > size) {
      this.#chunks[0] = first.subarray(size);
      return first.subarray(0, size);
    }
    if (first.length === size) return this.#chunks.shift() as Buffer;
    const out = Buffer.allocUnsafe(size);
    let at = 0;
    while (at < size) {
      const chunk = this.#chunks[0] as Buffer;
      const part = chunk.length > size - at ? chunk.subarray(0, size - at) : chunk;
      out.set(part, at);
      at += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    return out;
  }

  /** Takes the next frame; null at a clean end of the connection. Throws Fault when it is lost or malformed. */
  async receive(): Promise<Reply[] | null> {
    if (!(await this.#fill(4))) {
      if (this.#buffered > 0 || this.#failure !== undefined) throw lostConnection(this.#failure);
      return null;
    }
    const length = frameLength(this.#cut(4));
    if (!(await this.#fill(length))) throw lostConnection(this.#failure);
    return decodeBody(this.#cut(length));
  }

  /** Takes between 1 and `maxBytes` raw bytes. Throws Fault("unavailable") when the connection ends instead. */
  async receiveRaw(maxBytes: number): Promise<Buffer> {
    if (!(await this.#fill(1))) throw lostConnection(this.#failure);
    return this.#cut(Math.min(maxBytes, (this.#chunks[0] as Buffer).length));
  }

  /** Gives the socket away with everything that was read too much; the FrameSocket must not be used afterwards. */
  release(): { socket: Socket; rest: Buffer } {
    this.#socket.pause();
    for (const event of ["data", "end", "error", "close", "drain"]) this.#socket.removeAllListeners(event);
    const rest = Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    return { socket: this.#socket, rest };
  }

  /** Half-closes and waits until keel has let go of everything that belonged to the connection. */
  async finish(): Promise<void> {
    if (!this.#socket.destroyed) this.#socket.end();
    this.#socket.resume();
    await this.#closed.promise;
  }

  /** Drops the connection at once. */
  destroy(): void {
    this.#end();
    this.#socket.destroy();
  }
}

/** Connects to a unix socket, however long its path is. Throws Fault("unavailable"). */
export async function connectFrames(path: string): Promise<FrameSocket> {
  const isLong = Buffer.byteLength(path) > MAX_SUN_PATH;
  // A long path is reached through its directory's descriptor, which must stay open until connect(2) is done.
  const dir = isLong ? openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY) : -1;
  try {
    const address = isLong ? `/proc/self/fd/${dir}/${basename(path)}` : path;
    const socket = createConnection({ path: address, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    socket.removeAllListeners("error");
    return new FrameSocket(socket);
  } catch (error) {
    throw new Fault("unavailable", `cannot connect to keel at "${path}"`, {
      code: "keel.unreachable",
      cause: error,
    });
  } finally {
    if (isLong) closeSync(dir);
  }
}
