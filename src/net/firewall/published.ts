// Which ports the daemon's nftables table translates now: read from the kernel, not from what the daemon believes.
import type { Keel } from "../../linux/keel.ts";
import { IP_PROTO } from "../../linux/nft/datatype.ts";
import { decodeElements, dumpElements } from "../../linux/nft/elements.ts";
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
] as const;

/** Reads the rules. Throws SysError ENOENT when the table is gone. */
export async function readPublished(keel: Keel, tableName: string): Promise<PublishedRule[]> {
  const table = { family: "inet", name: tableName } as const;
  const { results } = await keel.run(MAPS.map(({ set }) => dumpElements(table, set)));
  return MAPS.flatMap(({ set, any }, i) =>
    decodeElements(set, results[i] as Uint8Array).map(({ key, data }): PublishedRule => {
      const [proto, ...rest] = key;
      return {
        proto: Object.entries(IP_PROTO).find(([, n]) => n === proto)?.[0] ?? String(proto),
        hostIp: any ?? String(rest[0]),
        hostPort: Number(rest.at(-1)),
        containerIp: String(data[0]),
        containerPort: Number(data[1]),
      };
    }),
  );
}
