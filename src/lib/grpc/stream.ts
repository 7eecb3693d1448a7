// One HTTP/2 stream as two queues of gRPC messages, with back-pressure both ways.

import type { Http2Stream } from "node:http2";
import { Fault } from "../errors.ts";
import { frameMessage, MessageReader } from "./framing.ts";

/** Messages that wait to be read before the peer is made to wait. */
const MAX_WAITING = 64;

export class MessageStream implements AsyncIterable<Uint8Array> {
  private readonly stream: Http2Stream;
  private readonly reader = new MessageReader();
  private readonly waiting: Uint8Array[] = [];
  private isEnded = false;
  private failure: { error: unknown } | undefined;
  private wake: () => void = () => undefined;

  constructor(stream: Http2Stream) {
    this.stream = stream;
    stream.on("data", (chunk: Buffer) => this.take(chunk));
    stream.on("end", () => this.end());
    stream.on("close", () => this.end());
    stream.on("error", (error) => this.fail(error));
    stream.on("aborted", () =>
      this.fail(new Fault("cancelled", "the other side ended the call", { code: "grpc.aborted" })),
    );
  }

  private take(chunk: Buffer): void {
    try {
      this.waiting.push(...this.reader.push(chunk));
    } catch (error) {
      this.fail(error);
      this.stream.destroy();
    }
    if (this.waiting.length > MAX_WAITING) this.stream.pause();
    this.wake();
  }

  private end(): void {
    this.isEnded = true;
    this.wake();
  }

  /** Makes readers and writers fail. */
  fail(error: unknown): void {
    this.failure ??= { error };
    this.end();
  }

  /** Returns the next message, undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = this.waiting.shift();
      if (message !== undefined) {
        if (this.waiting.length === 0 && !this.isEnded) this.stream.resume();
        return message;
      }
      if (this.failure !== undefined) throw this.failure.error;
      if (this.isEnded) return undefined;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (let message = await this.next(); message !== undefined; message = await this.next()) yield message;
  }

  /** Sends a message; resolves when more may be sent. */
  async send(message: Uint8Array): Promise<void> {
    const { stream } = this;
    if (stream.destroyed || stream.writableEnded)
      throw this.failure?.error ?? new Fault("unavailable", "the call is over", { code: "grpc.closed" });
    if (stream.write(frameMessage(message))) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stream.removeListener("drain", done);
        stream.removeListener("close", done);
        resolve();
      };
      stream.on("drain", done);
      stream.on("close", done);
    });
  }
}
