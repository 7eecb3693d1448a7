// Requests byte by byte, for what no client shows: heads as they come, half-closed connections, readers that stop reading.
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A request of which the answer's head has come; `socket` carries what follows and is paused. */
export interface RawAnswer {
  /** Such as `HTTP/1.1 101 UPGRADED`. */
  readonly status: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly socket: Socket;
}

export interface RawRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const UPGRADE = { Connection: "Upgrade", Upgrade: "tcp" };

/** Asks for a two-way stream. Without `headers` it asks for an upgrade to tcp. */
export async function hijack(socketPath: string, path: string, request: RawRequest = {}): Promise<RawAnswer> {
  const body = request.body === undefined ? "" : JSON.stringify(request.body);
  const type = body === "" ? {} : { "Content-Type": "application/json" };
  const headers = { Host: "d", "Content-Length": body.length, ...type, ...(request.headers ?? UPGRADE) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  socket.on("error", () => {}); // ignored: tests look at `close`
  socket.write(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  return readHead(socket);
}

/** Reads the head of a message; what follows it is left on the socket. */
export async function readHead(socket: Socket): Promise<RawAnswer> {
  let bytes = Buffer.alloc(0);
  let end: number;
  for (;;) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    bytes = Buffer.concat([bytes, chunk]);
    end = bytes.indexOf("\r\n\r\n");
    if (end >= 0) break;
  }
  socket.pause();
  if (bytes.length > end + 4) socket.unshift(bytes.subarray(end + 4));
  const [status = "", ...fields] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = Object.fromEntries(
    fields.map((field) => {
      const colon = field.indexOf(":");
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    }),
  );
  return { status, headers, socket };
}

/** Everything until the other side has ended. */
export async function readToEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Reads until what has come so far is enough; returns it. */
export async function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  let text = "";
  socket.resume();
  while (!pattern.test(text)) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    text += chunk.toString("latin1");
  }
  socket.pause();
  return text;
}

/** What frames of 8-byte heads hold, by stream. */
export function unframe(bytes: Buffer): { stdout: string; stderr: string } {
  const parts: [string[], string[]] = [[], []];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at + 4);
    parts[bytes[at] === 2 ? 1 : 0].push(bytes.subarray(at + 8, at + 8 + size).toString("latin1"));
    at += 8 + size;
  }
  return { stdout: parts[0].join(""), stderr: parts[1].join("") };
}
