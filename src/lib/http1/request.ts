// One HTTP/1.1 request on a connection of its own: streamed bodies both ways, error answers that come before the upload is
// over, and hijacking. Imports node:net only, because every start of the CLI pays for it.
// No keep-alive, redirects or cookies; a proxy only where the endpoint names one.
// Invariant: the socket is closed when the body has been read, the reader stops early, the signal aborts or anything fails;
// a hijacked socket belongs to whoever hijacked it.

import { Fault, messageOf } from "../errors.ts";
import { type BodyReader, createBodyReader } from "./body.ts";
import { type Connection, type Endpoint, openConnection } from "./connect.ts";
import {
  encodeRequestHead,
  type HeaderValue,
  endOfHead,
  framingOf,
  MAX_HEAD_BYTES,
  parseResponseHead,
  type ResponseHead,
} from "./head.ts";
import { ChunkQueue } from "./queue.ts";

export interface RequestOptions {
  readonly endpoint: Endpoint;
  readonly method: string;
  /** Path and query, already encoded. */
  readonly target: string;
  /** Host, Connection, Content-Length and Transfer-Encoding are set here. */
  readonly headers?: Readonly<Record<string, HeaderValue>>;
  /** Sent with Content-Length when it is bytes or text, chunked when it is a stream; a piece is sent before the next is asked for. */
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array> | undefined;
  /** Asks for the connection (`Upgrade: tcp`); `hijack()` of the response then gives it. */
  readonly upgrade?: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the connection stands; 10 000 when absent. */
  readonly connectTimeoutMs?: number | undefined;
}

export interface Response extends ResponseHead {
  /** The body; can be iterated once. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Reads the whole body as UTF-8. Throws Fault(system, "http.too-large") beyond the limit. */
  text(limitBytes?: number): Promise<string>;
  /** Takes the connection; bytes that came behind the head are read from it first. */
  hijack(): Connection;
}

const DEFAULT_TEXT_LIMIT = 256 * 1024 * 1024;

/** Writes the bytes and resolves when they and all before them are out, or will never be. */
function written(socket: Connection, bytes: string): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.removeListener("close", done);
      resolve();
    };
    socket.on("close", done);
    socket.write(bytes, done);
  });
}

/** The life of one request on one socket, from head to last byte. */
class Exchange {
  readonly #socket: Connection;
  readonly #method: string;
  readonly #isUpgrade: boolean;
  readonly #head = Promise.withResolvers<ResponseHead>();
  readonly #queue: ChunkQueue;
  #received: Uint8Array = new Uint8Array(0);
  #reader: BodyReader | undefined;
  #isRefused = false;
  #isOver = false;
  #uploadError: unknown;

  constructor(socket: Connection, method: string, isUpgrade: boolean) {
    this.#socket = socket;
    this.#method = method;
    this.#isUpgrade = isUpgrade;
    this.#queue = new ChunkQueue({
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      cancel: () => this.close(),
    });
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("error", this.#onError);
    socket.on("close", this.#onEnd);
  }

  get head(): Promise<ResponseHead> {
    return this.#head.promise;
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#queue;
  }

  #onData = (chunk: Uint8Array): void => {
    try {
      if (this.#reader) this.#takeBody(this.#reader, chunk);
      else this.#takeHead(chunk);
    } catch (error) {
      this.abort(error);
    }
  };

  #onEnd = (): void => {
    if (this.#isOver) return;
    try {
      if (this.#reader) {
        this.#reader.end();
        this.#complete();
      } else {
        const cause = this.#uploadError;
        if (cause instanceof Fault) return this.abort(cause);
        const text = `connection closed before a response came${cause === undefined ? "" : `: ${messageOf(cause)}`}`;
        this.abort(new Fault("unavailable", text, { code: "http.closed", cause }));
      }
    } catch (error) {
      this.abort(error);
    }
  };

  #onError = (error: Error): void => {
    // An answer may still be in the receive buffer when our upload is refused: `close` decides.
    this.#uploadError = error;
  };

  #takeHead(chunk: Uint8Array): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    for (;;) {
      const end = endOfHead(this.#received);
      if (end < 0) {
        if (this.#received.length <= MAX_HEAD_BYTES) return;
        throw new Fault("unavailable", "malformed HTTP response: head too large", { code: "http.malformed" });
      }
      const head = parseResponseHead(this.#received.subarray(0, end));
      this.#received = this.#received.subarray(end);
      if (head.status >= 200 || head.status === 101) return this.#acceptHead(head);
    }
  }

  #acceptHead(head: ResponseHead): void {
    this.#isRefused = head.status >= 400;
    if (this.#isUpgrade && (head.status === 101 || head.status === 200)) {
      this.#socket.pause();
      this.#release();
    } else {
      this.#reader = createBodyReader(framingOf(this.#method, head));
      const rest = this.#received;
      this.#received = rest.subarray(0, 0);
      if (rest.length > 0) this.#takeBody(this.#reader, rest);
      else if (this.#reader.isDone) this.#complete();
    }
    this.#head.resolve(head);
  }

  #takeBody(reader: BodyReader, chunk: Uint8Array): void {
    for (const piece of reader.push(chunk)) this.#queue.push(piece);
    if (reader.isDone) this.#complete();
  }

  #complete(): void {
    this.#isOver = true;
    this.#queue.end();
    this.#socket.destroy();
  }

  #release(): void {
    this.#isOver = true;
    this.#socket.removeListener("data", this.#onData);
    this.#socket.removeListener("end", this.#onEnd);
    this.#socket.removeListener("close", this.#onEnd);
    this.#socket.removeListener("error", this.#onError);
  }

  hijack(): Connection {
    if (this.#received.length > 0) this.#socket.unshift(this.#received);
    return this.#socket;
  }

  abort(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#head.reject(error);
    this.#queue.fail(error);
    this.#socket.destroy();
  }

  close(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  /** Sends a streamed body, piece after piece, until its end, or until an error answer makes the rest pointless (a good answer may run alongside). */
  async upload(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of body) {
      if (this.#isRefused || this.#isOver) return;
      if (chunk.length === 0) continue;
      this.#socket.cork();
      this.#socket.write(`${chunk.length.toString(16)}\r\n`);
      this.#socket.write(chunk);
      const isOut = written(this.#socket, "\r\n");
      this.#socket.uncork();
      await isOut; // the next piece may be in the same memory
    }
    if (!this.#isOver && !this.#isRefused) this.#socket.write("0\r\n\r\n");
  }
}

function headersOf(options: RequestOptions): Record<string, string> {
  const { endpoint, body } = options;
  const headers: Record<string, string> = {
    Host: "port" in endpoint ? `${endpoint.host}:${endpoint.port}` : "docker",
    ...options.headers,
  };
  if (options.upgrade) {
    headers["Connection"] = "Upgrade";
    headers["Upgrade"] = options.upgrade;
  } else headers["Connection"] = "close";
  if (typeof body === "string" || body instanceof Uint8Array) {
    headers["Content-Length"] = String(typeof body === "string" ? Buffer.byteLength(body) : body.length);
  } else if (body !== undefined) headers["Transfer-Encoding"] = "chunked";
  else if (options.method !== "GET" && options.method !== "HEAD") headers["Content-Length"] = "0";
  return headers;
}

async function readText(body: AsyncIterable<Uint8Array>, limitBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > limitBytes) throw new Fault("system", "response is too large", { code: "http.too-large" });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Opens the connection that a request goes by; its head is another where a proxy passes the request on. */
async function begin(options: RequestOptions): Promise<{ head: string; socket: Connection }> {
  const { endpoint, method, target, signal, connectTimeoutMs } = options;
  const headers = headersOf(options);
  const proxy = "port" in endpoint ? endpoint.proxy : undefined;
  if (!("port" in endpoint) || proxy === undefined) {
    const head = encodeRequestHead(method, target, headers);
    return { head, socket: await openConnection(endpoint, signal, connectTimeoutMs) };
  }
  if (options.upgrade !== undefined || endpoint.tls !== undefined) {
    const way = options.upgrade === undefined ? endpoint : { ...endpoint, proxy: undefined };
    const head = encodeRequestHead(method, target, headers);
    return { head, socket: await openConnection(way, signal, connectTimeoutMs) };
  }
  const { openProxy, proxyHeaders, urlOf } = await import("./proxy.ts");
  const head = encodeRequestHead(method, urlOf(endpoint, target), { ...headers, ...proxyHeaders(proxy) });
  return { head, socket: await openProxy(proxy, signal, connectTimeoutMs) };
}

/**
 * Sends a request and resolves with the response as soon as its head is there, whatever the status.
 * Throws Fault(unavailable) when there is no connection or no answer, and the signal's reason when it aborts.
 */
export async function sendRequest(options: RequestOptions): Promise<Response> {
  const { head, socket } = await begin(options);
  const exchange = new Exchange(socket, options.method, options.upgrade !== undefined);
  const { body, signal } = options;
  const onAbort = () => exchange.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.once("close", () => signal?.removeEventListener("abort", onAbort));
  socket.cork();
  socket.write(head, "utf8");
  if (typeof body === "string" || body instanceof Uint8Array) socket.write(body);
  socket.uncork();
  if (body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array)) {
    exchange.upload(body).catch((error: unknown) => exchange.abort(error));
  }
  const response = await exchange.head;
  return {
    ...response,
    body: exchange.body,
    text: (limitBytes = DEFAULT_TEXT_LIMIT) => readText(exchange.body, limitBytes),
    hijack: () => exchange.hijack(),
  };
}
