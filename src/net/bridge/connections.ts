// The kernel's memory of UDP traffic to containers. A "connection" lives as long as datagrams flow, so that a client would
// go on talking to an address that is another container's by now.

import { SysError } from "../../lib/errors.ts";
import type { Keel } from "../../linux/keel.ts";
import { decodeConntrack, deleteConntrack, dumpConntrack } from "../../linux/netlink/conntrack.ts";
import { type Message, NETLINK_NETFILTER, netlinkOp } from "../../linux/netlink/message.ts";
import { IP_PROTO } from "../../linux/nft/datatype.ts";
import { HOST_NS, type Op } from "../../linux/ops.ts";

const ENOENT = 2;

/** Ends the kernel's memory of UDP traffic to an address. Throws SysError, on kernels without ctnetlink at the first try. */
export async function forgetConnections(keel: Keel, ip: string): Promise<void> {
  const op = (message: Message): Op => netlinkOp(NETLINK_NETFILTER, HOST_NS, [message]);
  const { results } = await keel.run([op(dumpConntrack(ip, IP_PROTO.udp))]);
  for (const entry of decodeConntrack(results[0] as Uint8Array))
    await keel.run([op(deleteConntrack(entry))]).catch((error: unknown) => {
      if (!(error instanceof SysError) || error.errno !== ENOENT) throw error; // it has gone by itself
    });
}
