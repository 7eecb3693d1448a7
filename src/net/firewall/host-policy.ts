// Firewalls of others that keep containers from the world: an `accept` of ours ends only our own chain, so that a base chain
// elsewhere whose policy is drop (Docker Engine's FORWARD, ufw, firewalld) still drops. Nothing of theirs is changed: what
// it means is said, and how it is allowed.

import type { Keel } from "../../linux/keel.ts";
import { NETLINK_NETFILTER, netlinkOp } from "../../linux/netlink/message.ts";
import { decodeForwardChains, dumpChains, type ForwardChain } from "../../linux/nft/base-chains.ts";
import { HOST_NS } from "../../linux/ops.ts";

/** Returns a sentence for each chain of others that drops forwarded packets by default. */
export async function policyWarnings(keel: Keel, ownTable: string): Promise<string[]> {
  const { results } = await keel.run([netlinkOp(NETLINK_NETFILTER, HOST_NS, [dumpChains()])]);
  return decodeForwardChains(results[0] as Uint8Array)
    .filter((c) => c.policy === "drop" && c.tableName !== ownTable)
    .map(warning);
}

function warning(c: ForwardChain): string {
  const isDockers = c.tableName === "filter" && c.name === "FORWARD";
  const fix = isDockers
    ? `${c.family === "ip6" ? "ip6tables" : "iptables"} -I DOCKER-USER -i BRIDGE -j ACCEPT, and the same with -o, let the containers of a network through`
    : "accept the bridges of the networks there";
  return `the firewall chain ${c.name} of table ${c.family} ${c.tableName} drops forwarded packets by default: containers reach only their own networks and the host unless it accepts them (${fix})`;
}
