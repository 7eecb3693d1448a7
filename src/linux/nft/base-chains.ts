// The chains of all nftables tables on the host, those that iptables-nft makes included: what other programs have put
// into the way of packets. Source: include/uapi/linux/netfilter/nf_tables.h (NFT_MSG_GETCHAIN).

import { type Message, NLM_F, decodeAttrs, decodeMessages, readText } from "../netlink/message.ts";

const SUBSYS_NFTABLES = 10;
const MSG = { newChain: 3, getChain: 4 } as const;
const NFTA_CHAIN = { table: 1, name: 3, hook: 4, policy: 5 } as const;
const NFTA_HOOK_NUMBER = 1;
const NF_INET_FORWARD = 2;
const NF_DROP = 0;
const NFGEN_BYTES = 4;
const FAMILIES: Readonly<Record<number, string>> = { 1: "inet", 2: "ip", 10: "ip6" };

/** A chain of whatever table. */
export interface FoundChain {
  family: string;
  tableName: string;
  name: string;
  /** Forwarded packets enter here. */
  isForward: boolean;
  /** What happens to packets that no rule decides on, where packets enter. */
  policy: "accept" | "drop";
}

/** Asks for all chains; decodeChains reads the answer. */
export function dumpChains(): Message {
  return {
    type: (SUBSYS_NFTABLES << 8) | MSG.getChain,
    flags: NLM_F.request | NLM_F.dump,
    header: new Uint8Array(NFGEN_BYTES),
    attrs: [],
  };
}

/** Returns the chains of the families that forwarded packets of IP pass. */
export function decodeChains(bytes: Uint8Array): FoundChain[] {
  return decodeMessages(bytes).flatMap(({ type, body }) => {
    const family = FAMILIES[body[0] ?? 0];
    if (type !== ((SUBSYS_NFTABLES << 8) | MSG.newChain) || family === undefined) return [];
    const attrs = decodeAttrs(body, NFGEN_BYTES);
    const hook = attrs.get(NFTA_CHAIN.hook);
    return [
      {
        family,
        tableName: readText(attrs.get(NFTA_CHAIN.table)),
        name: readText(attrs.get(NFTA_CHAIN.name)),
        isForward:
          hook !== undefined && bigU32Of(decodeAttrs(hook).get(NFTA_HOOK_NUMBER)) === NF_INET_FORWARD,
        policy: bigU32Of(attrs.get(NFTA_CHAIN.policy)) === NF_DROP ? "drop" : "accept",
      },
    ];
  });
}

/** A number in network order, -1 when it is missing. */
function bigU32Of(value: Uint8Array | undefined): number {
  return value === undefined || value.length < 4
    ? -1
    : new DataView(value.buffer, value.byteOffset, 4).getUint32(0);
}
