// Who is at the other end of a connection: for unix sockets what the kernel says (SO_PEERCRED), for TCP the address.

import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/** The process that has connected, and its user and group as they were then. */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Asks the kernel about one of our own descriptors. Rejects when it does not say. */
export type LookupPeer = (fd: number) => Promise<Peer>;

export class Peers {
  readonly #lookup: LookupPeer;
  readonly #known = new WeakMap<Socket, Promise<Peer | undefined>>();

  constructor(lookup: LookupPeer) {
    this.#lookup = lookup;
  }

  /** Returns the peer of a request on a unix socket; undefined on another, and when nobody can say. */
  of({ socket }: Pick<IncomingMessage, "socket">): Promise<Peer | undefined> {
    let known = this.#known.get(socket);
    if (known === undefined) {
      known = this.#ask(socket);
      this.#known.set(socket, known);
    }
    return known;
  }

  async #ask(socket: Socket): Promise<Peer | undefined> {
    const fd = descriptorOf(socket);
    if (fd === undefined || socket.remoteAddress !== undefined) return undefined;
    try {
      const peer = await this.#lookup(fd);
      // A connection that was closed meanwhile may have left its number to another one.
      return descriptorOf(socket) === fd && !socket.destroyed ? peer : undefined;
    } catch {
      return undefined; // ignored: the request is written down without it
    }
  }
}

/** Neither Node nor Bun tells it otherwise. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return handle?.fd === undefined || handle.fd < 0 ? undefined : handle.fd;
}
