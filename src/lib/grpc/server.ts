// Serves gRPC on a connection that is already there (a hijacked one): HTTP/2 with this side as the server. Methods are
// functions by their path; what they throw becomes the call's status.
// bun: the connection is handed over with emit("connection"); a listening server would work with sockets of its own only.

import { createServer, type IncomingHttpHeaders, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { Fault, messageOf } from "../errors.ts";
import type { Message } from "../protobuf/message.ts";
import { CODES, codeOfError, encodeDetails, encodeStatusText, type StatusDetail } from "./framing.ts";
import { MessageStream } from "./stream.ts";

/** A call as a method sees it. */
export interface ServerCall {
  readonly messages: MessageStream;
  /** Metadata; names in lower case. */
  readonly metadata: IncomingHttpHeaders;
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal;
}

export interface Method {
  (call: ServerCall): Promise<void>;
  /** Returns metadata that comes before the answer. */
  readonly header?: () => Readonly<Record<string, string>>;
}

/** Methods by path, `/package.Service/Method`. */
export type Methods = Readonly<Record<string, Method>>;

/** A method that takes one message and answers one. */
export function unary<Q, A>(
  request: Message<Q>,
  response: Message<A>,
  handle: (request: Q, call: ServerCall) => Promise<Partial<A>>,
): Method {
  return async (call) => {
    const content = (await call.messages.next()) ?? new Uint8Array(0);
    await call.messages.send(response.encode(await handle(request.decode(content), call)));
  };
}

/** A method that takes one message and answers any number. */
export function serverStream<Q, A>(
  request: Message<Q>,
  response: Message<A>,
  handle: (request: Q, call: ServerCall) => AsyncIterable<Partial<A>>,
  header: NonNullable<Method["header"]> = () => ({}),
): Method {
  const method = async (call: ServerCall): Promise<void> => {
    const content = (await call.messages.next()) ?? new Uint8Array(0);
    for await (const item of handle(request.decode(content), call))
      await call.messages.send(response.encode(item));
  };
  return Object.assign(method, { header });
}

export interface GrpcServer {
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  close(): void;
}

function statusOf(error: unknown): { code: number; text: string; details?: string } {
  const code = codeOfError(error);
  const text = messageOf(error);
  const details = error instanceof Fault ? error.detail["details"] : undefined;
  if (!Array.isArray(details)) return { code, text };
  return { code, text, details: encodeDetails(code, text, details as StatusDetail[]) };
}

async function serve(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  methods: Methods,
  gone: AbortSignal,
): Promise<void> {
  const path = headers[":path"] ?? "";
  const abort = new AbortController();
  const messages = new MessageStream(stream);
  stream.on("close", () => abort.abort());
  const fail = (): void => {
    abort.abort();
    messages.fail(new Fault("cancelled", "the caller is gone", { code: "grpc.gone" }));
  };
  gone.addEventListener("abort", fail, { once: true });
  let status: { code: number; text: string; details?: string } = { code: CODES.ok, text: "" };
  const method = Object.hasOwn(methods, path) ? methods[path] : undefined;
  const head = { ":status": 200, "content-type": "application/grpc", ...method?.header?.() };
  stream.respond(head, { waitForTrailers: true });
  stream.on("wantTrailers", () => {
    const text = status.text === "" ? {} : { "grpc-message": encodeStatusText(status.text) };
    const details = status.details === undefined ? {} : { "grpc-status-details-bin": status.details };
    stream.sendTrailers({ "grpc-status": String(status.code), ...text, ...details });
  });
  try {
    if (method === undefined) status = { code: CODES.unimplemented, text: `unknown method ${path}` };
    else await method({ messages, metadata: headers, signal: abort.signal });
  } catch (error) {
    status = statusOf(error);
  }
  gone.removeEventListener("abort", fail);
  if (!stream.destroyed) stream.end();
}

/** Serves `methods` on `connection` until it closes. `head` is what was read of it already. */
export function serveGrpc(
  connection: Duplex,
  methods: Methods,
  onError: (error: unknown) => void = () => undefined,
): GrpcServer {
  const server: Http2Server = createServer({
    settings: { maxConcurrentStreams: 1000, initialWindowSize: 1 << 20 },
  });
  const closed = Promise.withResolvers<void>();
  const gone = new AbortController();
  server.on("stream", (stream, headers) => {
    serve(stream as ServerHttp2Stream, headers, methods, gone.signal).catch(onError);
  });
  server.on("sessionError", onError);
  connection.on("close", () => {
    gone.abort();
    closed.resolve();
  });
  // Nobody answers any more: HTTP/2 has no use for half of a connection, and its streams do not hear of its end.
  connection.on("end", () => connection.destroy());
  connection.on("error", () => undefined); // ignored: `close` follows
  server.emit("connection", connection);
  connection.resume(); // a hijacked connection comes paused
  return {
    closed: closed.promise,
    close: () => {
      connection.destroy();
      server.close();
    },
  };
}
