// A hijacked connection that speaks the websocket protocol (ContainerAttachWebsocket): messages in, messages out, as one stream
// of bytes. Frames, masks and the closing handshake are ws's (RFC 6455); what is said is the engine's.
import type { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { isAtLeast } from "../lib/version-order.ts";
import { Fault } from "../lib/errors.ts";
import type { HijackTransport } from "./hijack.ts";

/** Messages from clients are keys and pasted text. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

const handshakes = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: MAX_MESSAGE_BYTES,
});

const refusal = (): Fault =>
  new Fault("invalidParameter", "not a websocket handshake: want Upgrade: websocket and Sec-WebSocket-Key", {
    code: "websocket.handshake",
  });

/** For a request with an Upgrade header: what fails before `accept` is answered as over any other connection. */
export function websocketTransport(
  req: IncomingMessage,
  head: Uint8Array,
  plain: HijackTransport,
): HijackTransport {
  return {
    ...plain,
    isWebsocket: true,
    // There is none, and what came early belongs to the websocket.
    readBody: async () => "",
    accept({ version }) {
      let socket: WebSocket | undefined;
      if (!isHandshake(req)) throw refusal();
      handshakes.handleUpgrade(req, plain.socket, Buffer.from(head), (accepted) => {
        socket = accepted;
      });
      if (socket === undefined) throw refusal();
      // Before API 1.28 messages were of type text, whatever was in them.
      return duplexOf(socket, { binary: isAtLeast(version, "1.28") });
    },
  };
}

function isHandshake({ headers }: IncomingMessage): boolean {
  return (
    headers.upgrade?.toLowerCase() === "websocket" &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "") &&
    ["13", "8"].includes(headers["sec-websocket-version"] ?? "")
  );
}

/** For a request without Upgrade header. */
export function noWebsocket(plain: HijackTransport): HijackTransport {
  return {
    ...plain,
    isWebsocket: true,
    accept() {
      throw refusal();
    },
  };
}

function duplexOf(socket: WebSocket, options: { binary: boolean }): Duplex {
  const stream = new Duplex({
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => socket.send(chunk, options, (error) => done(error ?? null)),
    final: (done) => {
      socket.close(1000);
      done();
    },
    destroy: (error, done) => {
      socket.terminate();
      done(error);
    },
  });
  socket.on("message", (data: RawData) => {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer);
    if (!stream.push(bytes)) socket.pause();
  });
  socket.on("error", (error) => stream.destroy(error));
  socket.on("close", () => stream.push(null));
  // The other side takes nothing any more, but what it has sent last is still to be read.
  stream.once("end", () => {
    if (socket.readyState === socket.CLOSED) stream.destroy();
  });
  return stream;
}
