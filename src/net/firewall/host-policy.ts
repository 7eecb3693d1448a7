// Firewalls of others that keep containers from the world: an `accept` of ours ends only our own chain, so that a base chain
// elsewhere that lets nothing through (Docker Engine's FORWARD, ufw, firewalld) still does not. Nothing of theirs is changed: what
// it means is said, and how it is allowed.

import { readFile } from "node:fs/promises";
import type { Keel } from "../../linux/keel.ts";
import { NETLINK_NETFILTER, netlinkOp } from "../../linux/netlink/message.ts";
import { decodeChains, dumpChains, type FoundChain } from "../../linux/nft/base-chains.ts";
import { HOST_NS } from "../../linux/ops.ts";

/** Returns a sentence for each chain of others that drops forwarded packets by default. */
export async function policyWarnings(keel: Keel, ownTable: string): Promise<string[]> {
  const { results } = await keel.run([netlinkOp(NETLINK_NETFILTER, HOST_NS, [dumpChains()])]);
  const chains = decodeChains(results[0] as Uint8Array).filter((c) => c.tableName !== ownTable);
  const closed = chains.filter((c) => c.isForward && (c.policy === "drop" || isFirewalld(c)));
  return Promise.all(closed.map(async (c) => warning(c, remedy(c, chains), await isBridgeFiltered(c))));
}

/** Whether what stays on one bridge passes the chain, too (br_netfilter). */
async function isBridgeFiltered({ family }: FoundChain): Promise<boolean> {
  const path = `/proc/sys/net/bridge/bridge-nf-call-${family === "ip6" ? "ip6tables" : "iptables"}`;
  return (await readFile(path, "utf8").catch(() => "0")).trim() === "1"; // ignored: the module is not loaded
}

/** Its chain accepts by policy, and rejects by its last rule. */
const isFirewalld = (c: FoundChain): boolean => c.tableName === "firewalld";

function warning(c: FoundChain, how: string, isFiltered: boolean): string {
  const left = isFiltered
    ? "reach only the host, not even each other since net.bridge.bridge-nf-call-iptables is on,"
    : "reach only their own networks and the host";
  return `the firewall chain ${c.name} of table ${c.family} ${c.tableName} drops forwarded packets by default: containers ${left} unless it accepts them (${how})`;
}

/** How the bridge of a network is let through. ufw's chains hang on iptables' FORWARD, as Docker's do. */
function remedy(c: FoundChain, chains: readonly FoundChain[]): string {
  const hasBeside = (prefix: string): boolean =>
    chains.some((o) => o.family === c.family && o.tableName === c.tableName && o.name.startsWith(prefix));
  if (isFirewalld(c)) return "firewall-cmd --permanent --zone=trusted --add-interface=BRIDGE, and --reload";
  if (hasBeside("ufw")) return "ufw route allow in on BRIDGE, and the same with out on";
  if (c.tableName === "filter" && c.name === "FORWARD" && hasBeside("DOCKER-USER"))
    return `${c.family === "ip6" ? "ip6tables" : "iptables"} -I DOCKER-USER -i BRIDGE -j ACCEPT, and the same with -o, let the containers of a network through`;
  return "accept the bridges of the networks there";
}
