// Requests and responses of the network operations.

import {
  bool,
  exactUint64,
  type Input,
  int,
  list,
  map,
  nullable,
  type Output,
  optional,
  struct,
  text,
  time,
} from "../../lib/schema/schema.ts";
import { endpointSettings } from "./endpoint.ts";

export const ipamConfig = struct("network.IPAMConfig", {
  Subnet: optional(text),
  IPRange: optional(text),
  Gateway: optional(text),
  AuxiliaryAddresses: optional(map(text)),
});

export const ipam = struct("network.IPAM", {
  Driver: text,
  Options: nullable(map(text)),
  Config: nullable(list(ipamConfig)),
});

const configReference = struct("network.ConfigReference", { Network: text });

const networkFields = {
  Name: text,
  Id: text,
  Created: time,
  /** local, global or swarm. */
  Scope: text,
  Driver: text,
  EnableIPv4: bool,
  EnableIPv6: bool,
  IPAM: ipam,
  Internal: bool,
  Attachable: bool,
  Ingress: bool,
  ConfigFrom: configReference,
  ConfigOnly: bool,
  Options: map(text),
  Labels: map(text),
  Peers: optional(list(struct("network.PeerInfo", { Name: text, IP: text }))),
} as const;

/** An attached container in NetworkInspect, by container id. */
export const endpointResource = struct("network.EndpointResource", {
  Name: text,
  EndpointID: text,
  MacAddress: text,
  /** With prefix length. */
  IPv4Address: text,
  IPv6Address: text,
});

export const networkSummary = struct("network.Summary", networkFields);
export const networkSummaries = list(networkSummary);

const subnetStatus = struct("network.SubnetStatus", {
  IPsInUse: exactUint64,
  DynamicIPsAvailable: exactUint64,
});

export const networkInspect = struct("network.Inspect", {
  ...networkFields,
  Containers: map(endpointResource),
  Services: optional(
    map(
      struct("network.ServiceInfo", {
        VIP: text,
        Ports: list(text),
        LocalLBIndex: int,
        Tasks: list(
          struct("network.Task", { Name: text, EndpointID: text, EndpointIP: text, Info: map(text) }),
        ),
      }),
    ),
  ),
  Status: optional(
    struct("network.Status", {
      IPAM: struct("network.IPAMStatus", {
        /** Absent for networks without addresses. */
        Subnets: optional(map(subnetStatus)),
      }),
    }),
  ),
});

export const networkCreateRequest = struct("network.CreateRequest", {
  Name: text,
  /** Accepted for old clients; names are always unique. */
  CheckDuplicate: optional(nullable(bool)),
  Driver: text,
  Scope: text,
  EnableIPv4: optional(nullable(bool)),
  EnableIPv6: optional(nullable(bool)),
  IPAM: nullable(ipam),
  Internal: bool,
  Attachable: bool,
  Ingress: bool,
  ConfigOnly: bool,
  ConfigFrom: nullable(configReference),
  Options: nullable(map(text)),
  Labels: nullable(map(text)),
});

export const networkCreateResponse = struct("network.CreateResponse", { Id: text, Warning: text });

export const networkConnectRequest = struct("network.ConnectRequest", {
  Container: text,
  EndpointConfig: optional(endpointSettings),
});

export const networkDisconnectRequest = struct("network.DisconnectRequest", { Container: text, Force: bool });

export const networksPrune = struct("network.PruneReport", { NetworksDeleted: nullable(list(text)) });

export type Ipam = Output<typeof ipam>;
export type IpamConfig = Output<typeof ipamConfig>;
export type SubnetStatus = Output<typeof subnetStatus>;
export type EndpointResource = Output<typeof endpointResource>;
export type NetworkSummary = Output<typeof networkSummary>;
export type NetworkInspect = Output<typeof networkInspect>;
export type NetworkCreateRequest = Input<typeof networkCreateRequest>;
export type NetworkCreateResponse = Output<typeof networkCreateResponse>;
export type NetworkConnectRequest = Input<typeof networkConnectRequest>;
export type NetworkDisconnectRequest = Input<typeof networkDisconnectRequest>;
export type NetworksPrune = Output<typeof networksPrune>;
