import { parseHost } from "../../../api/client.ts";
import { openConnection } from "../../../lib/http1/connect.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { writeLater } from "../../output.ts";

/** Connects stdin and stdout with the daemon: the far end of an ssh:// host. */
export const command = defineCommand({
  operands: "",
  arity: noArgs,
  flags: {},
  async run(session) {
    const { host, tls } = await session.endpoint();
    const daemon = await openConnection(parseHost(host, tls));
    const { pipeline } = await import("node:stream/promises");
    const up = pipeline(process.stdin, daemon, { end: true });
    // The daemon's side ends when it has said everything, whatever still comes in.
    for await (const chunk of daemon) await writeLater(1, chunk as Uint8Array);
    up.catch(() => {}); // ignored: the daemon has closed
  },
});
