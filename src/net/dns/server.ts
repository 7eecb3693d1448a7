// The name service of all containers: one relay per container whose shim listens at 127.0.0.11 in its network, one forwarder
// to the host's resolvers that all share, and one of its own for each container with `--dns`. Nothing listens in the daemon.

import { isIP } from "node:net";
import type { FrameSocket } from "../../linux/frame-socket.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { Forwarder } from "./forwarder.ts";
import { HostResolvers, type HostResolversOptions } from "./host-resolvers.ts";
import { hostTransport } from "./host-transport.ts";
import type { Query } from "./message.ts";
import type { NamePolicy, NameSource } from "./ports.ts";
import { SERVICE_ADDRESS } from "./redirect.ts";
import { Relay } from "./relay.ts";
import { Resolver } from "./resolver.ts";
import { DNS_PORT, type Server } from "./transport.ts";

export interface DnsServerOptions {
  names: NameSource;
  /** What egress policies say of names; without it every name may be asked for. */
  policy?: NamePolicy | undefined;
  /** Told of relays that end for a reason. */
  log: (message: string) => void;
  /** Tests have a resolv.conf, and servers at a port, of their own. */
  hostResolvers?: HostResolversOptions;
  /** Port of the servers that containers name. */
  serverPort?: number;
  /** How long after its start a container waits for names that nobody has yet. */
  youthMs?: number;
}

/** Containers that are started together are up within this. */
const YOUTH_MS = 1500;

interface Served {
  relay: Relay;
  /** When the container's questions began to reach us, on the clock of performance.now(). */
  sinceMs: number;
  /** To the container's own servers, made when the first question needs it. */
  forwarder?: Forwarder;
  servers: readonly string[];
}

/** Answers what the containers ask. Disposing closes all relays; shims then keep questions until the next daemon takes them. */
export class DnsServer implements Disposable {
  readonly #options: DnsServerOptions;
  readonly #host: Forwarder;
  readonly #resolver: Resolver;
  readonly #served = new Map<string, Served>();

  private constructor(options: DnsServerOptions) {
    this.#options = options;
    options.names.observe((ids) => {
      for (const id of ids) this.#served.get(id)?.relay.forget();
    });
    const hosts = new HostResolvers(options.hostResolvers);
    this.#host = new Forwarder({ transport: hostTransport, servers: () => hosts.servers() });
    this.#resolver = new Resolver({
      names: options.names,
      forward: (id, query) => this.#forward(id, query),
      policy: options.policy,
      isYoung: (id) => {
        const since = this.#served.get(id)?.sinceMs;
        return since !== undefined && performance.now() - since < (options.youthMs ?? YOUTH_MS);
      },
    });
  }

  static open(options: DnsServerOptions): DnsServer {
    return new DnsServer(options);
  }

  /**
   * Serves a container over a connection to its shim (runtime/shim/client.ts: openDns), instead of an earlier one. Resolves
   * when the connection has ended; never rejects.
   */
  async serve(containerId: string, connection: FrameSocket, keeps = 0): Promise<void> {
    this.#end(containerId);
    const answer = (bytes: Uint8Array) => this.#resolver.answer(containerId, bytes);
    const relay = new Relay({ connection, answer, keeps });
    const served: Served = { relay, sinceMs: performance.now(), servers: [] };
    this.#served.set(containerId, served);
    let failure: unknown;
    try {
      await relay.run();
    } catch (error) {
      failure = error;
    }
    served.forwarder?.close();
    if (this.#served.get(containerId) === served) this.#served.delete(containerId);
    // A shim that is gone is no news here: whoever follows the container hears of it.
    const isNews = failure !== undefined && !(failure instanceof Fault && failure.kind === "unavailable");
    if (isNews) this.#options.log(`names of ${containerId.slice(0, 12)}: ${messageOf(failure)}`);
  }

  /** Whether the container's questions reach us. */
  isServing(containerId: string): boolean {
    return this.#served.has(containerId);
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#served.keys()]) this.#end(id);
    this.#host.close();
  }

  #end(containerId: string): void {
    const served = this.#served.get(containerId);
    this.#served.delete(containerId);
    served?.forwarder?.close();
    served?.relay.close();
  }

  #forward(containerId: string, query: Query): Promise<Uint8Array> | null {
    const { usesHost, servers } = this.#options.names.forwardingOf(containerId);
    // Asked from the container's own namespace: from an internal network only what is in it can be reached.
    if (servers.length > 0) return this.#ownForwarder(containerId, servers)?.resolve(query) ?? null;
    return usesHost ? this.#host.resolve(query) : null;
  }

  #ownForwarder(containerId: string, servers: readonly string[]): Forwarder | undefined {
    const served = this.#served.get(containerId);
    if (served === undefined) return undefined;
    if (served.forwarder === undefined || served.servers.join() !== servers.join()) {
      served.forwarder?.close();
      const list = ownServers(servers, this.#options.serverPort ?? DNS_PORT);
      served.servers = servers;
      served.forwarder = new Forwarder({ transport: served.relay, servers: () => Promise.resolve(list) });
    }
    return served.forwarder;
  }
}

/** Ourselves must not be asked again, and zones ("%eth0") are names of the host's devices. */
function ownServers(servers: readonly string[], port: number): Server[] {
  return servers
    .filter((address) => address !== SERVICE_ADDRESS && isIP(address) !== 0 && !address.includes("%"))
    .map((address) => ({ address, port }));
}
