// EndpointSettings: one container's attachment to one network, as asked for and as it came out.

import {
  type Input,
  int,
  int64,
  list,
  map,
  nullable,
  type Output,
  optional,
  struct,
  text,
} from "../../lib/schema/schema.ts";

export const endpointIpamConfig = struct("network.EndpointIPAMConfig", {
  IPv4Address: optional(text),
  IPv6Address: optional(text),
  LinkLocalIPs: optional(list(text)),
});

export const endpointSettings = struct("network.EndpointSettings", {
  IPAMConfig: nullable(endpointIpamConfig),
  Links: nullable(list(text)),
  Aliases: nullable(list(text)),
  MacAddress: text,
  DriverOpts: nullable(map(text)),
  /** The endpoint with the highest value provides the default gateway. */
  GwPriority: int,
  NetworkID: text,
  EndpointID: text,
  Gateway: text,
  IPAddress: text,
  IPPrefixLen: int,
  IPv6Gateway: text,
  GlobalIPv6Address: text,
  GlobalIPv6PrefixLen: int64,
  DNSNames: nullable(list(text)),
});

export const networkingConfig = struct("network.NetworkingConfig", {
  EndpointsConfig: nullable(map(nullable(endpointSettings))),
});

export type EndpointSettings = Output<typeof endpointSettings>;
export type EndpointSettingsRequest = Input<typeof endpointSettings>;
export type EndpointIpamConfig = Output<typeof endpointIpamConfig>;
export type NetworkingConfigRequest = Input<typeof networkingConfig>;
