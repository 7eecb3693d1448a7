// Published ports of a rootless daemon. Its containers are in a network namespace that nobody on the host can reach, so the part of the
// daemon that stayed outside listens, and carries what comes over a socket in the file system to the part inside:
//
//   client ─TCP/UDP→ PortServer (outside) ─unix socket→ PortGate (inside) ─TCP/UDP→ container
//
// A port is held as long as the connection on which it was asked for: whatever happens inside, no port stays behind. Both sockets
// are in a directory that only the user may enter.
import { connect, createServer, type Server, type Socket } from "node:net";
import { messageOf } from "../../lib/errors.ts";
import type { PortProto } from "../../net/model.ts";
import {
  carry,
  type Dial,
  type HeldPort,
  type HoldPort,
  holdTcpPort,
  type Target,
} from "../../net/port/tcp-socket.ts";
import { holdUdpPort, openDirectLink, type OpenLink } from "../../net/port/udp-socket.ts";

/** The first line on a connection between the two. */
interface Wish {
  readonly proto: PortProto;
  readonly ip: string;
  readonly port: number;
}

interface Answer {
  readonly code?: string;
  readonly message?: string;
}

const MAX_LINE = 4096;
const FRAME_HEAD = 2;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";

/** Reads one line and leaves the rest to whoever listens next. undefined at the end of the stream. */
function readLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = Buffer.alloc(0);
    const done = (line: string | undefined): void => {
      socket.off("data", onData);
      socket.off("close", onEnd);
      socket.off("end", onEnd);
      resolve(line);
    };
    const onData = (chunk: Buffer): void => {
      text = Buffer.concat([text, chunk]);
      const at = text.indexOf(10);
      if (at < 0) return text.length > MAX_LINE ? done(undefined) : undefined;
      socket.pause();
      if (at + 1 < text.length) socket.unshift(text.subarray(at + 1));
      done(text.subarray(0, at).toString());
    };
    const onEnd = (): void => done(undefined);
    socket.on("data", onData);
    socket.on("close", onEnd);
    socket.on("end", onEnd);
  });
}

function listenAt(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}

/** Cuts a stream into datagrams: two bytes of length, big-endian, in front of each. */
export class DatagramFrames {
  #rest = Buffer.alloc(0);

  static frame(data: Uint8Array): Buffer {
    const head = Buffer.alloc(FRAME_HEAD);
    head.writeUInt16BE(data.length);
    return Buffer.concat([head, data]);
  }

  push(chunk: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    for (;;) {
      const size = this.#rest.length < FRAME_HEAD ? Number.POSITIVE_INFINITY : this.#rest.readUInt16BE();
      if (this.#rest.length < FRAME_HEAD + size) return frames;
      frames.push(this.#rest.subarray(FRAME_HEAD, FRAME_HEAD + size));
      this.#rest = this.#rest.subarray(FRAME_HEAD + size);
    }
  }
}

/** Outside: listens where it is told to. */
export class PortServer {
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `path` takes the wishes, `gate` is where the traffic goes. */
  static async open(path: string, gate: string): Promise<PortServer> {
    const server = await listenAt(path, (socket) => void self.#serve(socket, gate));
    const self = new PortServer(server);
    return self;
  }

  async #serve(socket: Socket, gate: string): Promise<void> {
    this.#open.add(socket);
    socket.on("error", () => undefined); // ignored: "close" follows
    const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    void gone.then(() => this.#open.delete(socket));
    const line = await readLine(socket);
    if (line === undefined) return void socket.destroy();
    const { proto, ip, port, target } = JSON.parse(line) as Wish & { target: Target };
    let held: HeldPort;
    try {
      held = await hold({ proto, ip, port }, target, gate);
    } catch (error) {
      const answer: Answer = {
        code: codeOf(error),
        message: messageOf(error),
      };
      return void socket.end(`${JSON.stringify(answer)}\n`);
    }
    socket.write("{}\n");
    socket.on("end", () => socket.destroy());
    socket.resume();
    await gone;
    await held.close();
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Errors of a machine without IPv6: there is nothing to listen on, and nobody who could come. */
const NO_IPV6 = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

async function hold(wish: Wish, target: Target, gate: string): Promise<HeldPort> {
  try {
    return await holdOn(wish, target, gate);
  } catch (error) {
    if (wish.ip !== "::" || !NO_IPV6.has(codeOf(error))) throw error;
    return { close: async () => undefined };
  }
}

async function holdOn({ proto, ip, port }: Wish, target: Target, gate: string): Promise<HeldPort> {
  if (proto === "tcp") return holdTcpPort(ip, port, target, dialThrough(gate));
  if (proto === "udp") return holdUdpPort(ip, port, target, linkThrough(gate));
  throw Object.assign(new Error(`${proto} ports cannot be published in rootless mode`), {
    code: "EPROTONOSUPPORT",
  });
}

function throughGate(gate: string, proto: PortProto, { ip, port }: Target): Socket {
  const socket = connect({ path: gate, allowHalfOpen: true });
  const wish: Wish = { proto, ip, port };
  socket.write(`${JSON.stringify(wish)}\n`);
  return socket;
}

const dialThrough =
  (gate: string): Dial =>
  (target) =>
    throughGate(gate, "tcp", target);

const linkThrough =
  (gate: string): OpenLink =>
  (target, onAnswer) => {
    const socket = throughGate(gate, "udp", target);
    const frames = new DatagramFrames();
    socket.on("error", () => undefined); // ignored: datagrams may be lost
    socket.on("data", (chunk: Buffer) => frames.push(chunk).forEach(onAnswer));
    return { send: (data) => void socket.write(DatagramFrames.frame(data)), close: () => socket.destroy() };
  };

/** Inside: carries on to containers what comes from outside. */
export class PortGate implements AsyncDisposable {
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(path: string): Promise<PortGate> {
    const server = await listenAt(path, (socket) => void self.#serve(socket));
    const self = new PortGate(server);
    return self;
  }

  async #serve(socket: Socket): Promise<void> {
    socket.on("error", () => undefined); // ignored: "close" follows
    const line = await readLine(socket);
    if (line === undefined) return void socket.destroy();
    const { proto, ip, port } = JSON.parse(line) as Wish;
    if (proto === "udp") return this.#serveDatagrams(socket, { ip, port });
    carry(socket, connect({ host: ip, port, allowHalfOpen: true }), this.#open);
    socket.resume();
  }

  #serveDatagrams(socket: Socket, target: Target): void {
    const frames = new DatagramFrames();
    const link = openDirectLink(target, (answer) => void socket.write(DatagramFrames.frame(answer)));
    this.#open.add(socket);
    socket.on("data", (chunk: Buffer) => frames.push(chunk).forEach((data) => link.send(data)));
    socket.on("end", () => socket.destroy());
    socket.once("close", () => {
      this.#open.delete(socket);
      link.close();
    });
    socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Returns how a daemon inside holds ports: by asking the part outside, whose socket is at `path`. */
export function holdOutside(path: string): HoldPort {
  return async (proto, ip, port, target) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.on("error", () => undefined); // ignored: "close" follows
    socket.write(`${JSON.stringify({ proto, ip, port, target })}\n`);
    const line = await readLine(socket);
    const answer = (
      line === undefined ? { message: "the daemon's outer part is gone" } : JSON.parse(line)
    ) as Answer;
    if (answer.message !== undefined) {
      socket.destroy();
      throw Object.assign(new Error(answer.message), { code: answer.code });
    }
    socket.resume();
    return {
      close: async () => {
        const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
        socket.end();
        await closed;
      },
    };
  };
}
