// One HTTP/1.1 request to a unix socket, whose answer is small and read as a whole, or which becomes a channel: what a command of a few
// milliseconds needs, and one that sends much, by the runtime's own sockets. Streamed answers and other endpoints are request.ts's.
// Invariant: the connection is closed, or kept for the next request, when the text has been read; it is closed when the signal aborts or
// anything fails; a channel belongs to its caller.

import { joinBytes, utf8Bytes, utf8Text } from "../bytes.ts";
import { Fault } from "../errors.ts";
import { createBodyReader } from "./body.ts";
import { type Channel, UnixChannel } from "./channel.ts";
import {
  encodeRequestHead,
  endOfHead,
  framingOf,
  type HeaderValue,
  MAX_HEAD_BYTES,
  parseResponseHead,
  type ResponseHead,
} from "./head.ts";

export interface UnixRequest {
  /** The socket's path. */
  readonly socketPath: string;
  readonly method: string;
  /** Path and query, already encoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, HeaderValue>>;
  /** Sent with Content-Length when it is bytes or text, chunked when it is a stream; the connection is not kept then. */
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array> | undefined;
  /** Asks for the connection, such as "tcp". */
  readonly upgrade?: string;
  readonly signal?: AbortSignal | undefined;
  /** Where its connection may come from and go to; absent: it has one of its own. */
  readonly kept?: KeptConnection | undefined;
}

/** How long a connection is kept: requests of a command follow one another at once, and a daemon may be another one later. */
const KEPT_MS = 1000;

/** The connection that an answer has left open, for the request that follows: one, since the requests of a command come one after another. */
export class KeptConnection {
  #channel: UnixChannel | undefined;
  #since = 0;

  /** Gives the connection away, if there is one that is still good. */
  take(): UnixChannel | undefined {
    const channel = this.#channel;
    this.#channel = undefined;
    if (channel === undefined) return undefined;
    if (!channel.isOver && Date.now() - this.#since < KEPT_MS) {
      channel.wake();
      return channel;
    }
    channel.destroy();
    return undefined;
  }

  /** Takes a connection on which nothing is under way. */
  put(channel: UnixChannel): void {
    this.#channel?.destroy();
    this.#channel = channel;
    this.#since = Date.now();
    channel.rest();
  }
}

/** An answer of which the head is there; text() or channel is used, not both. */
export interface UnixResponse extends ResponseHead {
  /** Reads the body to its end, once. Throws Fault(unavailable, "http.closed") when it breaks off, Fault(system, "http.too-large"). */
  text(): Promise<string>;
  /** The connection after an upgrade; what came behind the head is read first. */
  readonly channel: Channel;
}

const TEXT_LIMIT_BYTES = 256 * 1024 * 1024;

/**
 * Sends the request and resolves when the head of its answer is there, whatever the status. Throws Fault(unavailable) with "http.connect" and
 * detail.errno when nobody listens, "http.closed" when no answer came, "http.malformed" when it is none, and the signal's reason when it aborts.
 */
export async function sendUnix(request: UnixRequest): Promise<UnixResponse> {
  const { signal, kept, body } = request;
  signal?.throwIfAborted();
  const bytes = encode(request);
  const channel = kept?.take() ?? (await UnixChannel.open(request.socketPath));
  const onAbort = (): void => channel.fail(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const release = (): void => signal?.removeEventListener("abort", onAbort);
  try {
    signal?.throwIfAborted();
    channel.write(bytes);
    if (isStream(body)) upload(channel, body).catch((error: unknown) => channel.fail(error));
    const head = await readHead(channel);
    return { ...head, channel, text: () => readText(channel, request, head).finally(release) };
  } catch (error) {
    release();
    channel.destroy();
    throw error;
  }
}

const isStream = (body: UnixRequest["body"]): body is AsyncIterable<Uint8Array> =>
  body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array);

/** Sends a streamed body to its end, or until the answer has been read and the connection is closed. A piece is sent before the next is asked for. */
async function upload(channel: UnixChannel, body: AsyncIterable<Uint8Array>): Promise<void> {
  let end = "";
  for await (const chunk of body) {
    if (channel.isOver) return;
    if (chunk.length === 0) continue;
    channel.write(utf8Bytes(`${end}${chunk.length.toString(16)}\r\n`));
    channel.write(chunk);
    await channel.drained();
    end = "\r\n"; // goes out with the next piece's length: each write wakes the other side
  }
  channel.write(utf8Bytes(`${end}0\r\n\r\n`));
}

/** Where the connection may go to after the answer. */
const keptOf = ({ body, kept }: UnixRequest): KeptConnection | undefined =>
  isStream(body) ? undefined : kept;

function encode(request: UnixRequest): Uint8Array {
  const { method, target, headers, body, upgrade } = request;
  const close = keptOf(request) === undefined ? { Connection: "close" } : {};
  const content = isStream(body) ? undefined : typeof body === "string" ? utf8Bytes(body) : body;
  const hasNone = body === undefined && (method === "GET" || method === "HEAD");
  const length = hasNone ? {} : { "Content-Length": String(content?.length ?? 0) };
  const head = encodeRequestHead(method, target, {
    Host: "docker",
    ...headers,
    ...(upgrade === undefined ? close : { Connection: "Upgrade", Upgrade: upgrade }),
    ...(isStream(body) ? { "Transfer-Encoding": "chunked" } : length),
  });
  return joinBytes([utf8Bytes(head), ...(content === undefined ? [] : [content])]);
}

async function readHead(channel: UnixChannel): Promise<ResponseHead> {
  let received: Uint8Array = new Uint8Array(0);
  for (;;) {
    const chunk = await channel.next();
    if (chunk === undefined) throw closed("a response came");
    received = received.length === 0 ? chunk : joinBytes([received, chunk]);
    for (let end = endOfHead(received); end >= 0; end = endOfHead(received)) {
      const head = parseResponseHead(received.subarray(0, end));
      received = received.subarray(end);
      if (head.status >= 200 || head.status === 101) {
        channel.putBack(received);
        return head;
      }
    }
    if (received.length > MAX_HEAD_BYTES)
      throw new Fault("unavailable", "malformed HTTP response: head too large", { code: "http.malformed" });
  }
}

async function readText(channel: UnixChannel, request: UnixRequest, head: ResponseHead): Promise<string> {
  const reader = createBodyReader(framingOf(request.method, head));
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let isReusable = false;
  try {
    while (!reader.isDone) {
      const chunk = await channel.next();
      if (chunk === undefined) {
        reader.end();
        break;
      }
      for (const piece of reader.push(chunk)) {
        chunks.push(piece);
        bytes += piece.length;
      }
      if (bytes > TEXT_LIMIT_BYTES)
        throw new Fault("system", "response is too large", { code: "http.too-large" });
    }
    isReusable =
      !channel.isOver &&
      reader.rest.length === 0 &&
      head.headers.get("connection")?.toLowerCase() !== "close";
    return utf8Text(joinBytes(chunks));
  } catch (error) {
    throw error instanceof Fault && error.code === "http.truncated"
      ? closed("the response was complete")
      : error;
  } finally {
    const kept = keptOf(request);
    if (isReusable && kept !== undefined) kept.put(channel);
    else channel.destroy();
  }
}

const closed = (before: string): Fault =>
  new Fault("unavailable", `connection closed before ${before}`, { code: "http.closed" });
