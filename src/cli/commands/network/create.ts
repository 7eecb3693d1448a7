import { networkCreate } from "../../../api/operations/network.ts";
import { bool, list, map, string, strings } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { labelFlag, toRecord } from "../../options/env.ts";
import { egressPolicy } from "../../options/network.ts";
import { resolveIpam } from "../../options/ipam.ts";
import { print, printError } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] NETWORK",
  arity: exactly(1),
  flags: {
    attachable: bool("Enable manual container attachment", { since: "1.25" }),
    "aux-address": map("Addresses that containers must not get"),
    "config-from": string("The network from which to copy the configuration", { since: "1.30" }),
    "config-only": bool("Create a configuration only network", { since: "1.30" }),
    driver: string("Driver of the network", { short: "d", initial: "bridge" }),
    egress: list(
      "Let only this leave the network: deny, CIDR, IP, domain name, with :PORT/PROTO (not Docker's)",
    ),
    gateway: strings("IPv4 or IPv6 gateway of the subnet"),
    ingress: bool("Create the swarm's routing-mesh network", { since: "1.29" }),
    internal: bool("Restrict external access to the network"),
    "ip-range": strings("Give containers addresses from this part of the subnet"),
    "ipam-driver": string("Driver of IP address management", { initial: "default" }),
    "ipam-opt": map("Options of the IPAM driver"),
    ipv4: bool("Enable or disable IPv4", { initial: true }),
    ipv6: bool("Enable or disable IPv6"),
    label: labelFlag("Set metadata on a network"),
    opt: map("Set driver specific options", { short: "o" }),
    scope: string("Scope of the network", { since: "1.30" }),
    subnet: strings("Subnet in CIDR format"),
  },
  async run(session, { args, flags, given }) {
    const Config = resolveIpam({
      subnets: flags.subnet,
      ranges: flags["ip-range"],
      gateways: flags.gateway,
      reserved: flags["aux-address"],
    });
    const client = await session.client();
    const { Id, Warning } = await client.call(networkCreate, {
      body: {
        Name: args[0] ?? "",
        Driver: flags.driver,
        Scope: flags.scope,
        ...(given.has("ipv4") ? { EnableIPv4: flags.ipv4 } : {}),
        ...(given.has("ipv6") ? { EnableIPv6: flags.ipv6 } : {}),
        IPAM: { Driver: flags["ipam-driver"], Config, Options: flags["ipam-opt"] },
        Internal: flags.internal,
        Attachable: flags.attachable,
        Ingress: flags.ingress,
        ConfigOnly: flags["config-only"],
        ...(flags["config-from"] === "" ? {} : { ConfigFrom: { Network: flags["config-from"] } }),
        Options: { ...flags.opt, ...egressPolicy(flags.egress) },
        Labels: toRecord(flags.label),
      },
    });
    if (Warning !== undefined && Warning !== "") printError(`WARNING: ${Warning}\n`);
    print(`${Id}\n`);
  },
});
