// Deliveries by datagrams: over UDP, where nothing tells whether anybody listens, and over unix sockets, where a full receiver makes
// the sender wait. The latter go through keel, since neither Node nor Bun has unix datagrams.
import type { createSocket, Socket } from "node:dgram";
import { Fault, SysError } from "../../../../lib/errors.ts";
import type { Keel } from "../../../../linux/keel.ts";
import { host } from "../../../../linux/ops.ts";
import { asList, asNumber } from "../../../../linux/wire.ts";
import type { Delivery, LogMessage } from "../driver/driver.ts";

/** How long one datagram waits for room at its receiver. */
const PATIENCE_MS = 1000;
/** Datagrams in one request to keel, or under way over UDP at once. */
const GROUP = 64;
const EMSGSIZE = 90;
const EAGAIN = 11;

/** Datagrams to a unix socket. */
export class DatagramDelivery implements Delivery {
  readonly #keel: Keel;
  readonly #path: string;
  /** null for what is no message. */
  readonly #encode: (m: LogMessage) => Buffer | null;

  constructor(keel: Keel, path: string, encode: (m: LogMessage) => Buffer | null) {
    this.#keel = keel;
    this.#path = path;
    this.#encode = encode;
  }

  /** Whether somebody receives datagrams at this path. */
  static async isTakenAt(keel: Keel, path: string): Promise<boolean> {
    try {
      await keel.run([host.datagrams(path, [], PATIENCE_MS)]);
      return true;
    } catch (error) {
      if (error instanceof SysError) return false;
      throw error;
    }
  }

  async send(
    messages: readonly LogMessage[],
    signal: AbortSignal,
  ): Promise<{ taken: number; rejected: number }> {
    let taken = 0;
    let rejected = 0;
    while (taken < messages.length) {
      const group = messages.slice(taken, taken + GROUP);
      const { sent, errno } = await this.#sendGroup(group, signal);
      taken += sent;
      if (errno === EMSGSIZE) {
        taken++;
        rejected++;
      } else if (errno !== 0) {
        if (taken > 0) break;
        const why = errno === EAGAIN ? "the receiver takes nothing" : `errno ${errno}`;
        throw new Fault("unavailable", `cannot send to ${this.#path}: ${why}`, { code: "log.unreachable" });
      }
    }
    return { taken, rejected };
  }

  /** Returns how many messages of the group are done, and the errno of the next one. */
  async #sendGroup(
    group: readonly LogMessage[],
    signal: AbortSignal,
  ): Promise<{ sent: number; errno: number }> {
    const encoded = group.map((m) => this.#encode(m));
    const datagrams = encoded.filter((d) => d !== null);
    const { results } = await this.#keel.run([host.datagrams(this.#path, datagrams, PATIENCE_MS)], {
      signal,
    });
    const [sent = 0, errno = 0] = asList(results[0]).map(asNumber);
    if (errno === 0) return { sent: group.length, errno };
    return { sent: encoded.indexOf(datagrams[sent] as Buffer), errno };
  }

  async finish(): Promise<void> {}

  close(): void {}
}

/** Datagrams over UDP. */
export class UdpDelivery implements Delivery {
  readonly #create: typeof createSocket;
  readonly #address: { readonly host: string; readonly port: number };
  /** No datagrams for what is no message, several for a large one, null for what is too large. */
  readonly #encode: (m: LogMessage) => Promise<readonly Uint8Array[] | null>;
  #socket: Socket | undefined;

  constructor(
    create: typeof createSocket,
    address: { readonly host: string; readonly port: number },
    encode: (m: LogMessage) => Promise<readonly Uint8Array[] | null>,
  ) {
    this.#create = create;
    this.#address = address;
    this.#encode = encode;
  }

  async send(messages: readonly LogMessage[]): Promise<{ taken: number; rejected: number }> {
    let rejected = 0;
    for (let from = 0; from < messages.length; from += GROUP) {
      const group = messages.slice(from, from + GROUP);
      const encoded = await Promise.all(group.map((m) => this.#encode(m)));
      rejected += encoded.filter((datagrams) => datagrams === null).length;
      await Promise.all(encoded.flatMap((datagrams) => datagrams ?? []).map((d) => this.#sendOne(d)));
    }
    return { taken: messages.length, rejected };
  }

  #sendOne(datagram: Uint8Array): Promise<void> {
    const { host: name, port } = this.#address;
    this.#socket ??= this.#open();
    return new Promise((resolve, reject) => {
      this.#socket?.send(datagram, port, name, (error) => {
        if (error === null || error === undefined) return resolve();
        reject(
          new Fault("unavailable", `cannot send to udp://${name}:${port}: ${error.message}`, {
            code: "log.unreachable",
          }),
        );
      });
    });
  }

  #open(): Socket {
    const socket = this.#create(this.#address.host.includes(":") ? "udp6" : "udp4");
    socket.on("error", () => {}); // ignored: the callback of what failed has it
    socket.unref();
    return socket;
  }

  async finish(): Promise<void> {
    this.close();
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
