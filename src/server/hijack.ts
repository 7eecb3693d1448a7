// Turns an HTTP exchange into a two-way stream (attach, exec), with or without an Upgrade header.
// Until `accept` the request can still be answered with a status code; after it the connection is the engine's.
// bun: with net + emit('connection') an upgrade request's body arrives in `head` or on the socket, with node in `req`;
// upgradeBody reads whichever it is.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { HijackAnswer } from "../api/call.ts";
import { createBodyReader } from "../lib/http1/body.ts";
import { isAtLeast } from "../lib/version-order.ts";
import { Fault } from "../lib/errors.ts";
import { sendWhole } from "./whole-answer.ts";
import { MAX_JSON_BODY_BYTES, readWhole, tooLarge } from "./whole-body.ts";

export const RAW_STREAM = "application/vnd.docker.raw-stream";
export const MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream";

/** How a request that may be hijacked is answered. */
export interface HijackTransport {
  /** The request's body, "" when it has none. */
  readBody(): Promise<string>;
  /** Answers with a whole response; the connection is closed afterwards. */
  respond(status: number, headers: Readonly<Record<string, string>>, body: string): void;
  /** Writes the response head and returns the connection. */
  accept(options: HijackAnswer & { readonly version: string }): Duplex;
  /** Whether the stream is a websocket's. */
  readonly isWebsocket?: boolean;
  /** The connection, for noticing that the client went away. */
  readonly socket: Socket;
}

/** Resolves with the next bytes off the socket, undefined at its end. */
function nextChunk(socket: Socket): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const settle = (chunk?: Uint8Array) => {
      socket.removeListener("data", settle);
      socket.removeListener("end", onEnd);
      socket.removeListener("close", onEnd);
      socket.pause();
      resolve(chunk);
    };
    const onEnd = () => settle();
    socket.on("data", settle);
    socket.on("end", onEnd);
    socket.on("close", onEnd);
    socket.resume();
  });
}

/**
 * Reads an upgrade request's body and puts what follows back onto the socket.
 * Throws Fault(invalidParameter) for oversized and incomplete bodies.
 */
export async function upgradeBody(req: IncomingMessage, socket: Socket, head: Uint8Array): Promise<string> {
  const isChunked = req.headers["transfer-encoding"] !== undefined;
  const length = Number(req.headers["content-length"] ?? 0);
  if (length > MAX_JSON_BODY_BYTES) throw tooLarge(MAX_JSON_BODY_BYTES);
  const reader = createBodyReader(isChunked ? { kind: "chunked" } : { kind: "length", bytes: length });
  const body: Uint8Array[] = [];
  let size = 0;
  const take = (chunk: Uint8Array): void => {
    for (const piece of reader.push(chunk)) {
      body.push(piece);
      size += piece.length;
    }
    if (size > MAX_JSON_BODY_BYTES) throw tooLarge(MAX_JSON_BODY_BYTES);
  };
  take(Buffer.concat([await readWhole(req, MAX_JSON_BODY_BYTES), head]));
  while (!reader.isDone) {
    const chunk = await nextChunk(socket);
    if (chunk === undefined)
      throw new Fault("invalidParameter", "connection closed before the request was complete");
    take(chunk);
  }
  if (reader.rest.length > 0) socket.unshift(reader.rest);
  return Buffer.concat(body).toString("utf8");
}

function headText(statusLine: string, headers: Readonly<Record<string, string>>): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${statusLine}\r\n${fields.join("")}\r\n`;
}

/** For a request with an Upgrade header: the socket is already free of the HTTP parser. */
export function upgradeTransport(
  req: IncomingMessage,
  socket: Socket,
  head: Uint8Array,
  common: Readonly<Record<string, string>>,
): HijackTransport {
  return {
    socket,
    readBody: () => upgradeBody(req, socket, head),
    respond(status, headers, body) {
      const fields = {
        ...common,
        ...headers,
        "Content-Length": String(Buffer.byteLength(body)),
        Connection: "close",
      };
      socket.end(`${headText(`${status} ${REASONS[status] ?? "Error"}`, fields)}${body}`);
      socket.resume(); // lets the peer's end be noticed
    },
    accept({ isTty, version, protocol, begun }) {
      if (protocol !== undefined) {
        socket.write(headText("101 Switching Protocols", { Connection: "Upgrade", Upgrade: protocol }));
        return socket;
      }
      const type = !isTty && isAtLeast(version, "1.42") ? MULTIPLEXED_STREAM : RAW_STREAM;
      const upgrade =
        begun === undefined ? { Upgrade: "tcp" } : { Upgrade: begun.upgrade, [begun.header]: begun.id };
      const fields = { "Content-Type": type, Connection: "Upgrade", ...upgrade, ...common };
      socket.write(headText("101 UPGRADED", fields));
      return socket;
    },
  };
}

/** What the HTTP parser listens to; `close` stays, it does the server's book-keeping too. */
const PARSER_EVENTS = ["data", "end", "error", "readable", "drain", "timeout"];

/** For a request without Upgrade header: takes the socket out of the HTTP server's hands at `accept`. */
export function plainTransport(
  req: IncomingMessage,
  res: ServerResponse,
  common: Readonly<Record<string, string>>,
): HijackTransport {
  const { socket } = req;
  return {
    socket,
    readBody: async () => (await readWhole(req, MAX_JSON_BODY_BYTES)).toString("utf8"),
    respond(status, headers, body) {
      const length = { "Content-Length": Buffer.byteLength(body) };
      sendWhole(res, status, { ...common, ...headers, ...length }, body);
    },
    accept({ protocol }) {
      res.detachSocket(socket);
      socket.pause();
      for (const event of PARSER_EVENTS) socket.removeAllListeners(event);
      socket.on("error", () => {}); // ignored: `close` follows and is what the engine watches
      socket.setTimeout(0);
      // compat: a protocol that was asked for without `Connection: Upgrade` is changed to all the same.
      const head =
        protocol === undefined
          ? headText("200 OK", { "Content-Type": RAW_STREAM, ...common })
          : headText("101 Switching Protocols", { Connection: "Upgrade", Upgrade: protocol });
      socket.write(head);
      return socket;
    },
  };
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};
