// The kernel's notifications of changes to nftables: what was removed from a table, and which process changed something.
// Each transaction is told message by message and closed by a new generation, which names the process.
// Source: net/netfilter/nf_tables_api.c (nf_tables_commit), include/uapi/linux/netfilter/nf_tables.h.

import { decodeAttrs, decodeMessages, readText } from "../netlink/message.ts";

const SUBSYS_NFTABLES = 10;
const NFGEN_BYTES = 4;
const REMOVALS = { table: 2, chain: 5, rule: 8, elements: 14 } as const;
const NEW_GENERATION = 15;
/** In all of the removals: the table's name. */
const NAME_OF_TABLE = 1;
const GENERATION = { pid: 2, name: 3 } as const;

/** Multicast group of nftables (NFNLGRP_NFTABLES). */
export const NFTABLES_GROUP = 7;

/** Types of the notifications that `readChanges` understands. */
export const CHANGE_TYPES: readonly number[] = [...Object.values(REMOVALS), NEW_GENERATION].map(
  (type) => (SUBSYS_NFTABLES << 8) | type,
);

/** One notification: something was removed from a table, or a transaction ended. */
export type Change =
  | { readonly kind: "removed"; readonly tableName: string }
  | { readonly kind: "done"; readonly pid: number; readonly process: string };

/** Reads notifications in their order. */
export function readChanges(bytes: Uint8Array): Change[] {
  return decodeMessages(bytes).flatMap(({ type, body }): Change[] => {
    if (type >> 8 !== SUBSYS_NFTABLES || body.length < NFGEN_BYTES) return [];
    const attrs = decodeAttrs(body, NFGEN_BYTES);
    if ((type & 0xff) !== NEW_GENERATION)
      return [{ kind: "removed", tableName: readText(attrs.get(NAME_OF_TABLE)) }];
    const pid = attrs.get(GENERATION.pid);
    return [
      {
        kind: "done",
        pid: pid === undefined ? 0 : new DataView(pid.buffer, pid.byteOffset, 4).getUint32(0),
        process: readText(attrs.get(GENERATION.name)),
      },
    ];
  });
}
