// Grants host ports to containers. Every granted TCP and UDP port is really held by a socket of the daemon, so a
// conflict with any process shows here and not as a dead port later, and no other process can take it meanwhile.
// All ports of an endpoint are granted or none. Conflicts among our own containers are found in memory first,
// because only that tells whose they are. SCTP ports are kept in memory only: node has no SCTP sockets.

import { isIP, isIPv6 } from "node:net";
import { Fault, messageOf } from "../../lib/errors.ts";
import type { PortProto, PortRequest, PublishedPort } from "../model.ts";
import { findPortHolder } from "./holder.ts";
import { type HeldPort, type HoldPort, holdTcpPort, type Target } from "./tcp-socket.ts";
import { holdUdpPort } from "./udp-socket.ts";
import { table } from "../../lib/table.ts";

/** Who asks, and where the traffic goes. */
export interface PortOwner {
  containerId: string;
  /** The container's address. */
  ip: string;
  /** Its IPv6 address, "" without one: IPv6 traffic that a socket carries goes there. */
  ip6?: string;
  /** What an empty host address stands for; by default every address of the host. */
  anyAddresses?: readonly string[];
  /** Who may come from other machines, CIDRs; everybody without. */
  admits?: readonly string[] | undefined;
}

/** Granted ports. */
export interface PortLease {
  /** What was granted at first. */
  readonly ports: readonly PublishedPort[];
  /** Grants more, all of them or none, and returns them; throws as `lease` does. */
  extend(requests: readonly PortRequest[], owner: PortOwner): Promise<PublishedPort[]>;
  /** Gives some of the ports back; unknown ones are fine. */
  withdraw(ports: readonly PublishedPort[]): Promise<void>;
  /** Gives everything back. Idempotent. */
  release(): Promise<void>;
  /** Hands the ports over: from now on they are another's, and what the sockets carry goes there. Throws notImplemented. */
  handOver(owner: PortOwner): void;
}

/** Settings of the allocator. */
export interface PortAllocatorOptions {
  /** First and last port for requests without one: net.ipv4.ip_local_port_range. */
  ephemeral?: readonly [first: number, last: number];
  /** The host has IPv6: an empty host address then means both families. */
  hasIpv6: boolean;
  /** How ports are held: by sockets of this process unless somebody else does. */
  hold?: HoldPort | undefined;
  /** See Target. */
  isBarred?: (from: string) => boolean;
}

interface Grant {
  proto: PortProto;
  ip: string;
  port: number;
  containerId: string;
  /** Where the socket carries what it accepts; shared with the socket. */
  target: Target;
  held: HeldPort | undefined;
}

const ANY = { v4: "0.0.0.0", v6: "::" } as const;

/** The ports of one daemon. */
export class PortAllocator {
  readonly #grants = new Map<string, Grant[]>(); // by protocol and port
  readonly #ephemeral: readonly [number, number];
  readonly #hasIpv6: boolean;
  readonly #hold: HoldPort;
  readonly #isBarred: PortAllocatorOptions["isBarred"];
  #cursor: number;

  constructor(options: PortAllocatorOptions) {
    this.#ephemeral = options.ephemeral ?? [32768, 60999];
    this.#hasIpv6 = options.hasIpv6;
    this.#hold = options.hold ?? holdHere;
    this.#isBarred = options.isBarred;
    this.#cursor = this.#ephemeral[0];
  }

  /**
   * Grants the wishes in order, each with the first port of its range that is free on all its addresses.
   * Throws Fault conflict `port.in-use` (detail: proto, hostIp, hostPort and containerId or pid and process),
   * unavailable `port.exhausted`, system `port.bind-failed`, invalidParameter `port.invalid`.
   */
  async lease(requests: readonly PortRequest[], owner: PortOwner): Promise<PortLease> {
    let grants: Grant[] = [];
    const drop = async (gone: readonly Grant[]): Promise<void> => {
      grants = grants.filter((g) => !gone.includes(g));
      await Promise.all(gone.map((g) => this.#drop(g)));
    };
    const release = (): Promise<void> => drop(grants);
    const extend = async (more: readonly PortRequest[], by: PortOwner): Promise<PublishedPort[]> => {
      const added: Grant[] = [];
      try {
        for (const request of more) added.push(...(await this.#grant(request, by)));
      } catch (error) {
        await drop(added);
        throw error;
      }
      grants = [...grants, ...added];
      return added.map(publishedPort);
    };
    const withdraw = (ports: readonly PublishedPort[]): Promise<void> => {
      const keys = new Set(ports.map(portKey));
      return drop(grants.filter((g) => keys.has(portKey(publishedPort(g)))));
    };
    const ports = await extend(requests, owner);
    const handOver = ({ containerId, ip, ip6, admits }: PortOwner): void => {
      // Who holds them elsewhere has been told the target once and for all.
      if (this.#hold !== holdHere && grants.length > 0)
        throw new Fault("notImplemented", "ports that are held outside the daemon cannot be moved", {
          code: "port.held-outside",
        });
      for (const grant of grants) {
        grant.containerId = containerId;
        grant.target.ip = isIPv6(grant.ip) ? ip6 || ip : ip;
        grant.target.admits = admits;
      }
    };
    return { ports, extend, withdraw, release, handOver };
  }

  async #grant(request: PortRequest, owner: PortOwner): Promise<Grant[]> {
    const ips = this.#addresses(request.hostIp, owner.anyAddresses);
    const candidates = this.#candidates(request);
    let problem: unknown;
    for (const port of candidates) {
      try {
        const granted = await this.#grantOn(request, owner, ips, port);
        if (request.hostPort === 0) this.#cursor = port >= this.#ephemeral[1] ? this.#ephemeral[0] : port + 1;
        return granted;
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== "port.in-use") throw error;
        problem = error;
      }
    }
    if (request.hostPort !== 0 && problem !== undefined) throw await withHolder(problem as Fault);
    // compat: docker's text (libnetwork portallocator ErrAllPortsAllocated)
    throw new Fault("unavailable", "all ports are allocated", { code: "port.exhausted" });
  }

  /** "" is every address; IPv6 only where the host has it. */
  #addresses(hostIp: string, any: readonly string[] = [ANY.v4, ANY.v6]): string[] {
    if (hostIp !== "" && isIP(hostIp) === 0)
      throw new Fault("invalidParameter", `invalid IP address: ${hostIp}`, { code: "address.invalid" });
    if (hostIp !== "") return [hostIp];
    return any.filter((ip) => this.#hasIpv6 || ip !== ANY.v6);
  }

  *#candidates(request: PortRequest): Generator<number> {
    const last = request.hostPortEnd ?? request.hostPort;
    if (!isPort(request.hostPort, 0) || !isPort(last, request.hostPort) || !isPort(request.containerPort, 1))
      throw new Fault(
        "invalidParameter",
        `invalid port: ${request.hostPort}-${last}:${request.containerPort}`,
        {
          code: "port.invalid",
        },
      );
    if (request.hostPort !== 0) {
      for (let port = request.hostPort; port <= last; port++) yield port;
      return;
    }
    const [first, end] = this.#ephemeral;
    for (let i = 0, port = this.#cursor; i <= end - first; i++, port = port >= end ? first : port + 1)
      yield port;
  }

  async #grantOn(
    request: PortRequest,
    owner: PortOwner,
    ips: readonly string[],
    port: number,
  ): Promise<Grant[]> {
    const { proto } = request;
    const grants: Grant[] = [];
    for (const ip of ips) this.#checkOwn(proto, ip, port);
    // Entered before the sockets are opened: another lease of the same port must not slip in between.
    for (const ip of ips)
      grants.push(
        this.#enter({
          proto,
          ip,
          port,
          containerId: owner.containerId,
          target: {
            ip: isIPv6(ip) ? owner.ip6 || owner.ip : owner.ip,
            port: request.containerPort,
            isBarred: this.#isBarred,
            ...(owner.admits === undefined ? {} : { admits: owner.admits }),
          },
          held: undefined,
        }),
      );
    try {
      for (const grant of grants)
        grant.held = await this.#hold(grant.proto, grant.ip, grant.port, grant.target);
    } catch (error) {
      await Promise.all(grants.map((g) => this.#drop(g)));
      throw bindFault(error, grants.find((g) => g.held === undefined) ?? grants[0], request);
    }
    return grants;
  }

  #checkOwn(proto: PortProto, ip: string, port: number): void {
    const clash = this.#grants.get(`${proto} ${port}`)?.find((g) => addressesClash(g.ip, ip));
    if (clash === undefined) return;
    // compat: docker's text (libnetwork portallocator)
    throw new Fault("conflict", `Bind for ${hostPort(ip, port)} failed: port is already allocated`, {
      code: "port.in-use",
      detail: { proto, hostIp: ip, hostPort: port, containerId: clash.containerId },
    });
  }

  #enter(grant: Grant): Grant {
    const key = `${grant.proto} ${grant.port}`;
    const list = this.#grants.get(key);
    if (list === undefined) this.#grants.set(key, [grant]);
    else list.push(grant);
    return grant;
  }

  async #drop(grant: Grant): Promise<void> {
    await grant.held?.close();
    const key = `${grant.proto} ${grant.port}`;
    const left = this.#grants.get(key)?.filter((g) => g !== grant) ?? [];
    if (left.length === 0) this.#grants.delete(key);
    else this.#grants.set(key, left);
  }
}

const publishedPort = (g: Grant): PublishedPort => ({
  proto: g.proto,
  containerPort: g.target.port,
  hostIp: g.ip,
  hostPort: g.port,
});

const portKey = (p: PublishedPort): string => `${p.proto} ${p.hostIp} ${p.hostPort} ${p.containerPort}`;

const isPort = (n: number, atLeast: number): boolean => Number.isInteger(n) && n >= atLeast && n <= 65535;

const addressesClash = (a: string, b: string): boolean =>
  isIPv6(a) === isIPv6(b) && (a === b || a === ANY.v4 || b === ANY.v4 || a === ANY.v6 || b === ANY.v6);

const hostPort = (ip: string, port: number): string => (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`);

const holdHere: HoldPort = async (proto, ip, port, target) => {
  if (proto === "tcp") return holdTcpPort(ip, port, target);
  if (proto === "udp") return holdUdpPort(ip, port, target);
  return { close: async () => undefined };
};

const BIND_ERRORS: Readonly<Record<string, string>> = table({
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "cannot assign requested address",
  EACCES: "permission denied",
  EMFILE: "too many open files, of which the daemon has one for each port and family (raise its LimitNOFILE)",
});

function bindFault(error: unknown, grant: Grant | undefined, request: PortRequest): Fault {
  const code = (error as { code?: unknown }).code;
  const reason = (typeof code === "string" ? BIND_ERRORS[code] : undefined) ?? messageOf(error);
  const { proto } = request;
  const [hostIp, port] = [grant?.ip ?? request.hostIp, grant?.port ?? request.hostPort];
  const isInUse = code === "EADDRINUSE";
  // compat: docker's text (libnetwork portmapper)
  const where = `${hostPort(hostIp, port)}/${proto}`;
  return new Fault(isInUse ? "conflict" : "system", `failed to bind host port ${where}: ${reason}`, {
    code: isInUse ? "port.in-use" : "port.bind-failed",
    detail: { proto, hostIp, hostPort: port },
    cause: error,
  });
}

/** Adds who holds the port, when it is a process that is not ours and can be seen. */
async function withHolder(fault: Fault): Promise<Fault> {
  if (fault.detail.containerId !== undefined) return fault;
  const { proto, hostPort: port } = fault.detail as { proto: PortProto; hostPort: number };
  const holder = await findPortHolder(proto, port);
  if (holder === undefined) return fault;
  return new Fault(fault.kind, `${fault.message} (by ${holder.name}, pid ${holder.pid})`, {
    code: fault.code,
    detail: { ...fault.detail, pid: holder.pid, process: holder.name },
    cause: fault.cause,
  });
}
