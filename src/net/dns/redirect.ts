// The firewall rules of a container's own network namespace that lead 127.0.0.11 port 53 to the shim's sockets, which are at
// another port so that a program in the container may take port 53 of all addresses itself.
//
// Ports are rewritten without connection tracking, unlike a NAT rule would: it costs nothing for the container's other
// traffic, and no question occupies an entry of the kernel's table for half a minute. A question is rewritten after, an
// answer before everything else on their way out, so that firewalls inside the container see 127.0.0.11 port 53 both ways.

import { encodeField, IP_PROTO } from "../../linux/nft/datatype.ts";
import {
  compare,
  type Expr,
  fieldLoad,
  immediate,
  metaLoad,
  transportStore,
} from "../../linux/nft/expression.ts";
import { addChain, addRule, addTable, deleteTable, nftOp, type Table } from "../../linux/nft/ruleset.ts";
import type { Op, Register } from "../../linux/ops.ts";
import { DNS_PORT } from "./transport.ts";

/** Where containers find the name service. */
export const SERVICE_ADDRESS = "127.0.0.11";

const TABLE: Table = { family: "ip", name: "berth-dns" };
const QUESTIONS = { name: "questions", hook: { type: "filter", hook: "output", priority: 300 } } as const;
const ANSWERS = { name: "answers", hook: { type: "filter", hook: "output", priority: -300 } } as const;
const SOURCE_PORT = 0;
const DESTINATION_PORT = 2;
/** Where the checksum is in each header. */
const CHECKSUM = { udp: 6, tcp: 16 } as const;

/**
 * Plans the rules for a service at `port`, in the namespace of `reg`. With `replaces` rules of before are removed first,
 * which costs a grace period of the kernel.
 */
export function planRedirect(reg: Register, port: number, options: { replaces?: boolean } = {}): Op[] {
  const rules = (["udp", "tcp"] as const).flatMap((proto) => [
    addRule(TABLE, QUESTIONS.name, rewrite(proto, "to", DNS_PORT, port)),
    addRule(TABLE, ANSWERS.name, rewrite(proto, "from", port, DNS_PORT)),
  ]);
  const clean = options.replaces ? [addTable(TABLE), deleteTable(TABLE)] : [];
  return [
    nftOp([...clean, addTable(TABLE), addChain(TABLE, QUESTIONS), addChain(TABLE, ANSWERS), ...rules], reg),
  ];
}

/** Matches packets to (or from) the service's address at port `before` and gives them port `after` there. */
function rewrite(proto: "udp" | "tcp", side: "to" | "from", before: number, after: number): Expr[] {
  const isTo = side === "to";
  return [
    fieldLoad(isTo ? "ipDestination" : "ipSource"),
    compare("eq", encodeField("ipv4_addr", SERVICE_ADDRESS)),
    metaLoad("l4proto"),
    compare("eq", encodeField("inet_proto", IP_PROTO[proto])),
    fieldLoad(isTo ? "destinationPort" : "sourcePort"),
    compare("eq", encodeField("inet_service", before)),
    immediate(encodeField("inet_service", after)),
    transportStore(isTo ? DESTINATION_PORT : SOURCE_PORT, CHECKSUM[proto]),
  ];
}
