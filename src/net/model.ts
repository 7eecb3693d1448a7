// The words of the network floor that its callers use: networks, endpoints, published ports, attach plans.
// Plain data without behaviour; addresses are text as Docker prints them ("172.17.0.2", "172.17.0.0/16").
// The drivers turn these into kernel operations.

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

/**
 * How packets pass the gateway of a network in one family (com.docker.network.bridge.gateway_mode_ipv4 and _ipv6):
 * `nat` translates and closes everything unpublished, `nat-unprotected` translates and leaves direct access open,
 * `routed` translates nothing and opens published ports, `isolated` has no gateway at all.
 */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

/** Something that is said of each address family. */
export interface Families {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** What changes of an endpoint's published ports; the removed ones are free before the new ones are taken. */
export interface PortChange {
  remove: readonly PublishedPort[];
  add: readonly PortRequest[];
  /** See EndpointRequest. */
  publishes?: Families;
}

/** A network's addresses in one family. */
export interface NetworkSubnet {
  /** CIDR, host bits zero. */
  subnet: string;
  /** Address of the bridge device; "" where there is none. */
  gateway: string;
  /** The containers' default gateway, where it is not the bridge. */
  nextHop?: string;
  gatewayMode: GatewayMode;
}

/** A bridge network. */
export interface BridgeNetwork {
  id: string;
  /** Device name wanted; without it the driver takes a free one. */
  bridgeName?: string;
  ipv4?: NetworkSubnet;
  ipv6?: NetworkSubnet;
  mtu: number;
  /** No way in or out of the network, `docker network create --internal`. */
  internal: boolean;
  /** Hide the containers behind the host's address on their way out. */
  masquerade: boolean;
  /** Containers of the network may talk to each other. */
  icc: boolean;
  /** The bridge device gets no IPv4 address, com.docker.network.bridge.inhibit_ipv4. */
  inhibitIpv4?: boolean;
  /** Address that ports are published on when a wish names none, com.docker.network.bridge.host_binding_ipv4. */
  hostBindingIp?: string;
  /** Devices of the host from which containers may be reached by their own addresses, on published ports. */
  trustedInterfaces?: readonly string[];
  /** Published ports may be reached by the containers' own addresses from everywhere. */
  isDirect?: boolean;
  /** Who outside of the host may reach the containers' ports, CIDRs of both families; everybody without. */
  publishAllow?: readonly string[];
  /** What may leave the network, in the words of egress/policy.ts; everything without. */
  egress?: string;
}

/** One container's place in a network, as the engine asks for it. */
export interface EndpointRequest {
  endpointId: string;
  networkId: string;
  containerId: string;
  /** Device name inside the container, "eth0". */
  ifName: string;
  /** "" without IPv4. */
  ip: string;
  /** "" without IPv6. */
  ip6: string;
  /** Further addresses, without a prefix length (`--link-local-ip`). */
  linkLocalIps?: readonly string[];
  /** "02:42:ac:11:00:02"; see `macForIp` in sandbox/endpoint.ts. */
  mac: string;
  /** Sysctls of the device in the container, "net/ipv4/conf/eth0/forwarding" → "1". */
  sysctls?: Readonly<Record<string, string>>;
  /** The families in which this network gives the container its default route. */
  defaultRoutes: Families;
  ports: readonly PortRequest[];
  /**
   * The families of the host's addresses whose ports lead here, both when absent. Those of another family lead to another of the
   * container's networks; its own ports are opened here all the same where the gateway mode is routed.
   */
  publishes?: Families;
  /** The container's own egress policy, in the words of egress/policy.ts. */
  egress?: string;
}

/** What the engine stores of an attached endpoint, and hands back to `restore` after a restart of the daemon. */
export interface EndpointRecord {
  endpointId: string;
  networkId: string;
  containerId: string;
  /** Device name inside the container; absent in records of older versions, which knew only "eth0". */
  ifName?: string;
  /** "" without IPv4. */
  ip: string;
  /** "" or absent without IPv6. */
  ip6?: string;
  mac: string;
  /** Name of the host's end of the veth pair; "" where the driver has none. */
  hostIfName: string;
  ports: readonly PublishedPort[];
  /** The container's own egress policy; absent without. */
  egress?: string;
}

/** Operations that plug a container in, for the same Keel.run that starts it. */
export interface AttachPlan {
  /**
   * To be run after the register holds the container's namespace, and after openHostNamespace (sandbox/endpoint.ts); undone
   * by keel when a later operation fails.
   */
  ops: readonly Op[];
  record: EndpointRecord;
  /**
   * Gives back ports and bookkeeping after the request failed or was never sent. `cause` is the failure: when the
   * network's own operations failed, bridge and firewall are repaired for the next attempt. Idempotent.
   */
  undo(cause?: unknown): Promise<void>;
}

/** Choice of a subnet made by `chooseSubnet` (ipam/subnet.ts). */
export interface SubnetChoice {
  /** CIDR, host bits zero. */
  subnet: string;
  gateway: string;
}

/**
 * What the engine knows of a network driver; bridge-driver.ts and macvlan-driver.ts are the implementations.
 * Methods that return operations perform nothing on the kernel themselves; the others have acted when they resolve.
 */
export interface NetworkDriver<Network> {
  /** Creates, repairs or adopts the network's devices and firewall entries; yields the name of its device. Idempotent. */
  ensureNetwork(network: Network): Promise<{ deviceName: string }>;
  /** Removes the device and the entries; unknown networks are fine. */
  removeNetwork(networkId: string): Promise<void>;
  /**
   * Reserves the ports and plans the operations that plug a container in. `reg` is the register that holds the
   * container's namespace in the request. Throws Fault conflict `port.in-use`, notFound `network.unknown`.
   */
  planAttach(request: EndpointRequest, reg: number): Promise<AttachPlan>;
  /**
   * Unplugs an endpoint: firewall entries, the device, ports. Unknown endpoints are fine. With `isContainerGone` a veth
   * pair is only cut off and left to the kernel, which removes it with the namespace: 30 times faster than deleting it.
   * `netns` is the file of a running container's namespace, for drivers whose devices are only in there.
   */
  detach(endpointId: string, options?: { isContainerGone?: boolean; netns?: string }): Promise<void>;
  /**
   * Takes published ports away from a running endpoint and gives it others; those that stay are not touched. Yields the
   * changed record. When the new ones cannot be had (throws as planAttach does) the old ones are back.
   */
  changePorts(endpointId: string, change: PortChange): Promise<EndpointRecord>;
  /**
   * Moves the published ports of one endpoint to another that has none, at no moment of which a connection is refused;
   * those that there are stay where they are. Yields both records as they are then. Throws Fault notFound.
   */
  movePorts(fromId: string, toId: string): Promise<{ from: EndpointRecord; to: EndpointRecord }>;
  /**
   * To be called once at start-up, after ensureNetwork for all networks: adopts running endpoints, takes their ports
   * again, reconciles the firewall and removes leftovers of a crash; yields warnings.
   */
  restore(endpoints: readonly EndpointRecord[]): Promise<string[]>;
  /** Releases ports and sockets; with `remove` also table and devices, so that nothing of the daemon is left. */
  close(options: { remove: boolean }): Promise<void>;
}
