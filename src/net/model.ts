// The words of the network floor that its callers use: networks, endpoints, published ports, attach plans.
// Plain data without behaviour; addresses are text as Docker prints them ("172.17.0.2", "172.17.0.0/16").
// bridge-driver.ts turns these into kernel operations.

import type { Op } from "../linux/ops.ts";

/** Transport protocols that can be published (HostConfig.PortBindings keys "80/tcp"). */
export type PortProto = "tcp" | "udp" | "sctp";

/** One wish of `-p`: where a container's port shall be reachable on the host. */
export interface PortRequest {
  proto: PortProto;
  containerPort: number;
  /** "" means every address of the host, IPv4 and IPv6, as Docker's empty HostIp does. */
  hostIp: string;
  /** 0 asks for a free port of the ephemeral range. */
  hostPort: number;
  /** End of a range "8000-8010"; the first free port of it is taken. Defaults to hostPort. */
  hostPortEnd?: number;
}

/** One published port as granted; one entry of NetworkSettings.Ports. */
export interface PublishedPort {
  proto: PortProto;
  containerPort: number;
  /** Concrete address: "0.0.0.0" or "::" for all addresses of a family. */
  hostIp: string;
  hostPort: number;
}

/** A bridge network. */
export interface BridgeNetwork {
  id: string;
  /** Device name wanted; without it the driver takes a free one. */
  bridgeName?: string;
  /** CIDR, host bits zero. */
  subnet: string;
  /** Address of the bridge device; the containers' default gateway. */
  gateway: string;
  mtu: number;
  /** No way in or out of the network, `docker network create --internal`. */
  internal: boolean;
  /** Hide the containers behind the host's address on their way out. */
  masquerade: boolean;
  /** Containers of the network may talk to each other. */
  icc: boolean;
}

/** One container's place in a network, as the engine asks for it. */
export interface EndpointRequest {
  endpointId: string;
  networkId: string;
  containerId: string;
  /** Device name inside the container, "eth0". */
  ifName: string;
  ip: string;
  /** "02:42:ac:11:00:02"; see `macForIp` in sandbox/endpoint.ts. */
  mac: string;
  /** The network that gives the container its default route. */
  hasDefaultRoute: boolean;
  ports: readonly PortRequest[];
}

/** What the engine stores of an attached endpoint, and hands back to `restore` after a restart of the daemon. */
export interface EndpointRecord {
  endpointId: string;
  networkId: string;
  containerId: string;
  ip: string;
  mac: string;
  /** Name of the host's end of the veth pair. */
  hostIfName: string;
  ports: readonly PublishedPort[];
}

/** Operations that plug a container in, for the same Keel.run that starts it. */
export interface AttachPlan {
  /** To be run after the register holds the container's namespace; undone by keel when a later operation fails. */
  ops: readonly Op[];
  record: EndpointRecord;
  /**
   * Gives back ports and bookkeeping after the request failed or was never sent. `cause` is the failure: when the
   * network's own operations failed, bridge and firewall are repaired for the next attempt. Idempotent.
   */
  undo(cause?: unknown): Promise<void>;
}

/** Choice of a subnet made by `NetworkDriver.chooseSubnet`. */
export interface SubnetChoice {
  /** CIDR, host bits zero. */
  subnet: string;
  gateway: string;
}

/**
 * What the engine knows of a network driver; bridge-driver.ts is the implementation for Docker's `bridge`.
 * Methods that return operations perform nothing on the kernel themselves; the others have acted when they resolve.
 */
export interface NetworkDriver {
  /**
   * Picks the subnet of a new network that collides with no route or address of the host and no known network.
   * `wanted` is a CIDR (`--subnet`, `--bip`: the host part, when not zero, becomes the gateway).
   * Throws Fault conflict `subnet.overlap` / `subnet.exhausted`, invalidParameter `subnet.invalid`.
   */
  chooseSubnet(wanted?: string, gateway?: string): Promise<SubnetChoice>;
  /** Creates, repairs or adopts the bridge device and its firewall entries. Idempotent. */
  ensureNetwork(network: BridgeNetwork): Promise<{ bridgeName: string }>;
  /** Removes the device and the entries; unknown networks are fine. */
  removeNetwork(networkId: string): Promise<void>;
  /**
   * Reserves the ports and plans the operations that plug a container in. `reg` is the register that holds the
   * container's namespace in the request. Throws Fault conflict `port.in-use`, notFound `network.unknown`.
   */
  planAttach(request: EndpointRequest, reg: number): Promise<AttachPlan>;
  /**
   * Unplugs an endpoint: firewall entries, the veth pair, ports. Unknown endpoints are fine. With `isContainerGone` the
   * pair is only cut off and left to the kernel, which removes it with the namespace: 30 times faster than deleting it.
   */
  detach(endpointId: string, options?: { isContainerGone?: boolean }): Promise<void>;
  /**
   * To be called once at start-up, after ensureNetwork for all networks: adopts running endpoints, takes their ports
   * again, reconciles the firewall and removes leftovers of a crash; yields warnings.
   */
  restore(endpoints: readonly EndpointRecord[]): Promise<string[]>;
  /** Releases ports and sockets; with `remove` also table and devices, so that nothing of the daemon is left. */
  close(options: { remove: boolean }): Promise<void>;
}
