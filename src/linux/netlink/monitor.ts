// The kernel's notifications of devices and addresses that were removed. Source: rtnetlink(7), linux/rtnetlink.h.

import { decodeMessages } from "./message.ts";

const RTM = { delLink: 17, delAddr: 21 } as const;
const GROUP = { link: 1, ipv4Address: 5, ipv6Address: 9 } as const;
const AF_UNSPEC = 0;

/** Multicast groups and message types of what `readRemovals` understands. */
export const LINK_REMOVALS = {
  groups: Object.values(GROUP) as readonly number[],
  types: Object.values(RTM) as readonly number[],
} as const;

/** Returns the indices of devices that were removed, or lost an address. A device that leaves a bridge is none of them. */
export function readRemovals(bytes: Uint8Array): number[] {
  return decodeMessages(bytes).flatMap(({ type, body }) => {
    if (body.length < 8) return [];
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    // ifinfomsg and ifaddrmsg both have the index at offset 4.
    if (type === RTM.delLink) return body[0] === AF_UNSPEC ? [view.getInt32(4, true)] : [];
    return type === RTM.delAddr ? [view.getUint32(4, true)] : [];
  });
}
