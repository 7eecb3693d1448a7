// Ways to name servers. Which network namespace a question leaves from is the transport's business: host-transport.ts uses the
// daemon's own, relay.ts a container's.

/** A name server. */
export interface Server {
  /** IPv4 or IPv6 as text, the latter possibly with a zone ("fe80::1%eth0"). */
  address: string;
  port: number;
}

export const DNS_PORT = 53;

/** What happens to a connection. After `end`, and after `close` was called, nothing happens any more. */
export interface ConnectionEvents {
  /** It can be sent on. */
  open(): void;
  /** A datagram, or a piece of a stream. */
  data(bytes: Uint8Array): void;
  /** It failed, was refused, or the other side has closed it. */
  end(): void;
}

export interface Connection {
  /** Sends a datagram, or a piece of a stream; only after `open`. */
  send(bytes: Uint8Array): void;
  close(): void;
}

/** Opens connections; every UDP one has a source port of its own, chosen by the kernel at random. */
export interface Transport {
  connect(kind: "udp" | "tcp", server: Server, on: ConnectionEvents): Connection;
}
