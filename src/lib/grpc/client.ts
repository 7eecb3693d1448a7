// Calls gRPC methods over a connection that is already there (a hijacked one): HTTP/2 with this side as the client.

import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";
import type { Message } from "../protobuf/message.ts";
import { decodeStatusText, faultOfStatus } from "./framing.ts";
import { MessageStream } from "./stream.ts";

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
  readonly signal?: AbortSignal;
}

/** A call under way. */
export interface ClientCall {
  readonly messages: MessageStream;
  /** Says that no more messages will be sent. */
  end(): void;
  cancel(): void;
  /** Resolves when the call ended well; throws the Fault of its status else. */
  readonly finished: Promise<void>;
}

export class GrpcClient {
  readonly #session: ClientHttp2Session;
  readonly #connection: Duplex;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;

  constructor(connection: Duplex) {
    this.#connection = connection;
    this.#session = connect("http://localhost", {
      createConnection: () => connection,
      settings: { initialWindowSize: 1 << 20, enablePush: false },
    });
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    this.#session.on("error", () => undefined); // ignored: the calls under way fail by themselves
    this.#session.on("close", () => closed.resolve());
    connection.on("close", () => {
      closed.resolve();
      if (!this.#session.destroyed) this.#session.destroy();
    });
    connection.on("end", () => connection.destroy());
    connection.resume(); // a hijacked connection comes paused
  }

  /** Starts a call of `/package.Service/Method`. */
  start(path: string, options: CallOptions = {}): ClientCall {
    const { metadata = {}, signal } = options;
    const stream = this.#session.request({
      ":method": "POST",
      ":path": path,
      ":scheme": "http",
      ":authority": "localhost",
      "content-type": "application/grpc",
      te: "trailers",
      ...metadata,
    });
    const finished = statusOf(stream);
    finished.catch(() => undefined); // ignored: whoever cares awaits it
    const messages = new MessageStream(stream);
    finished.catch((error: unknown) => messages.fail(error));
    const cancel = (): void => stream.close(constants.NGHTTP2_CANCEL);
    signal?.addEventListener("abort", cancel, { once: true });
    stream.on("close", () => signal?.removeEventListener("abort", cancel));
    if (signal?.aborted) cancel();
    return { messages, finished, cancel, end: () => void stream.end() };
  }

  /** Calls a method that takes one message and answers one. Throws the Fault of its status. */
  async unary<Q, A>(
    path: string,
    types: { readonly request: Message<Q>; readonly response: Message<A> },
    request: Partial<Q>,
    options: CallOptions = {},
  ): Promise<A> {
    const call = this.start(path, options);
    await call.messages.send(types.request.encode(request));
    call.end();
    const answer = await call.messages.next();
    await call.finished;
    return types.response.decode(answer ?? new Uint8Array(0));
  }

  close(): void {
    this.#session.destroy();
    this.#connection.destroy();
  }
}

/** The status stands in the trailers, or in the head of a call that failed at once. */
function statusOf(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    let code: number | undefined;
    let text = "";
    let details: string | undefined;
    const note = (headers: Record<string, unknown>): void => {
      if (headers["grpc-status"] === undefined) return;
      code = Number(headers["grpc-status"]);
      text = decodeStatusText((headers["grpc-message"] as string | undefined) ?? "");
      details = headers["grpc-status-details-bin"] as string | undefined;
    };
    stream.on("response", note);
    stream.on("trailers", (headers) => {
      note(headers);
      // The call is over, also when we had more to say: without our end it would never close.
      if (!stream.writableEnded) stream.end();
    });
    stream.on("error", reject);
    stream.on("close", () => {
      if (code === 0) resolve();
      else if (code !== undefined) reject(faultOfStatus(code, text, details));
      else reject(new Fault("unavailable", "the call ended without a status", { code: "grpc.no-status" }));
    });
  });
}
