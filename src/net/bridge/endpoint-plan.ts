// A request for an endpoint of a bridge network in the words of ../sandbox/endpoint.ts. Pure.

import type { Register } from "../../linux/ops.ts";
import type { HostFacts } from "../host-state.ts";
import type { BridgeNetwork, EndpointRequest, NetworkSubnet } from "../model.ts";
import { type EndpointPlan, interfaceAddress } from "../sandbox/endpoint.ts";
import { endpointAlias, MIN_IPV6_MTU } from "./device.ts";

/** The network's side of a plan. */
export interface PlanContext {
  spec: BridgeNetwork;
  bridgeIndex: number;
  owner: string;
  hostIfName: string;
  facts: HostFacts;
  netnsReg: Register;
}

/** Returns the plan of one endpoint. */
export function endpointPlan(request: EndpointRequest, c: PlanContext): EndpointPlan {
  const { spec } = c;
  return {
    bridgeIndex: c.bridgeIndex,
    mtu: spec.mtu,
    isIsolated: !spec.icc,
    netnsReg: c.netnsReg,
    hostIfName: c.hostIfName,
    alias: endpointAlias(c.owner, request.endpointId),
    ifName: request.ifName,
    addresses: [
      ...within(request.ip, spec.ipv4),
      ...within(request.ip6, spec.ipv6),
      ...(request.linkLocalIps ?? []).map((ip) => `${ip}/${ip.includes(":") ? 64 : 16}`),
    ],
    gateways: [
      ...(request.defaultRoutes.ipv4 ? gatewayOf(spec, spec.ipv4) : []),
      ...(request.defaultRoutes.ipv6 ? gatewayOf(spec, spec.ipv6) : []),
    ],
    mac: request.mac,
    hasIpv6: c.facts.hasIpv6 && spec.mtu >= MIN_IPV6_MTU,
    ...(request.sysctls === undefined ? {} : { sysctls: request.sysctls }),
  };
}

const within = (ip: string, s: NetworkSubnet | undefined): string[] =>
  ip === "" || s === undefined ? [] : [interfaceAddress(ip, s.subnet)];

/** The next hop that a network offers; none where there is no way out. */
export function gatewayOf(spec: BridgeNetwork, s: NetworkSubnet | undefined): string[] {
  const nextHop = s?.nextHop || s?.gateway;
  return spec.internal || s === undefined || s.gatewayMode === "isolated" || !nextHop ? [] : [nextHop];
}
