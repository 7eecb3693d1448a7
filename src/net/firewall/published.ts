// Which ports the daemon's nftables table translates now: read from the kernel, not from what the daemon believes.
import type { Keel } from "../../linux/keel.ts";
import { IP_PROTO } from "../../linux/nft/datatype.ts";
import { decodeElements, dumpElements, type ReadElement } from "../../linux/nft/elements.ts";
import { SETS } from "./sets.ts";

export interface PublishedRule {
  /** tcp, udp or sctp. */
  readonly proto: string;
  /** 0.0.0.0 or :: for every address. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerIp: string;
  readonly containerPort: number;
}

const MAPS = [
  { set: SETS.published, any: undefined },
  { set: SETS.published6, any: undefined },
  { set: SETS.publishedAny, any: "0.0.0.0" },
  { set: SETS.publishedAny6, any: "::" },
  { set: SETS.publishedRanges, any: undefined },
  { set: SETS.publishedRanges6, any: undefined },
  { set: SETS.publishedAnyRanges, any: "0.0.0.0" },
  { set: SETS.publishedAnyRanges6, any: "::" },
] as const;

/** Reads the rules, of a range one for each port. Throws SysError ENOENT when the table is gone. */
export async function readPublished(keel: Keel, tableName: string): Promise<PublishedRule[]> {
  const table = { family: "inet", name: tableName } as const;
  const { results } = await keel.run(MAPS.map(({ set }) => dumpElements(table, set)));
  return MAPS.flatMap(({ set, any }, i) =>
    decodeElements(set, results[i] as Uint8Array).flatMap((element) => rulesOf(element, any)),
  );
}

function rulesOf({ key, keyEnd, data }: ReadElement, any: string | undefined): PublishedRule[] {
  const [proto, ...rest] = key;
  const [first, last] = [Number(key.at(-1)), Number((keyEnd ?? key).at(-1))];
  const shared = {
    proto: Object.entries(IP_PROTO).find(([, n]) => n === proto)?.[0] ?? String(proto),
    hostIp: any ?? String(rest[0]),
    containerIp: String(data[0]),
  };
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    ...shared,
    hostPort: first + i,
    // An element of a range keeps the numbers.
    containerPort: Number(data[1] ?? first + i),
  }));
}
