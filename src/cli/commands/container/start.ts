// `start`: several containers by name, or one with the terminal attached (-a, -i), whose exit code is then ours.

import type { Client } from "../../../api/client.ts";
import {
  containerAttach,
  containerInspect,
  containerResize,
  containerStart,
} from "../../../api/operations/container.ts";
import { bool, type FlagValues, string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { complain, describeFailure } from "../../failure.ts";
import { print, printError } from "../../output.ts";
import type { Session } from "../../session.ts";
import { registerWait } from "./_wait.ts";

const flags = {
  attach: bool("Attach STDOUT/STDERR and forward signals", { short: "a" }),
  checkpoint: string("Restore from this checkpoint"),
  "checkpoint-dir": string("Use a custom checkpoint storage directory"),
  "detach-keys": string("Keys that detach from the container"),
  interactive: bool("Attach container's STDIN", { short: "i" }),
};
type Flags = FlagValues<typeof flags>;

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER [CONTAINER...]",
  arity: atLeast(1),
  flags,
  async run(session, { flags, args }) {
    if (flags.attach || flags.interactive) {
      if (args.length > 1) throw complain("you cannot start and attach multiple containers at once");
      return startAttached(session, args[0] ?? "", flags);
    }
    const client = await session.client();
    if (flags.checkpoint !== "") {
      if (args.length > 1) throw complain("you cannot restore multiple containers at once");
      await client.call(containerStart, { id: args[0] ?? "", ...checkpointOf(flags) });
      return 0;
    }
    return startAll(client, args);
  },
});

function checkpointOf(flags: Flags) {
  return { checkpoint: flags.checkpoint, checkpointDir: flags["checkpoint-dir"] };
}

async function startAll(client: Client, names: readonly string[]): Promise<number> {
  const failed: string[] = [];
  for (const id of names) {
    try {
      await client.call(containerStart, { id });
      print(`${id}\n`);
    } catch (error) {
      printError(`${describeFailure(error)}\n`);
      failed.push(id);
    }
  }
  if (failed.length > 0) throw complain(`Error: failed to start containers: ${failed.join(", ")}`);
  return 0;
}

async function startAttached(session: Session, name: string, flags: Flags): Promise<number> {
  const client = await session.client();
  const { Id: id, Config, HostConfig } = await client.call(containerInspect, { id: name });
  const { attachTerminal } = await import("../../terminal/attach.ts");
  const detachKeys = flags["detach-keys"] || ((await session.config()).detachKeys ?? "");
  const attach = { stdin: flags.interactive && Config.OpenStdin, stdout: true, stderr: true };
  await using cleanup = new AsyncDisposableStack();
  if (!Config.Tty) {
    const { forwardSignals } = await import("../../terminal/signals.ts");
    cleanup.defer(forwardSignals(client, id));
  }
  const [connection, { status }] = await Promise.all([
    client.attach(containerAttach, { id, stream: true, ...attach, detachKeys }),
    registerWait(client, id, HostConfig.AutoRemove ? "removed" : "next-exit"),
  ]);
  const ended = attachTerminal(connection, { ...attach, isTty: Config.Tty, detachKeys });
  ended.catch(() => {});
  try {
    await client.call(containerStart, { id, ...checkpointOf(flags) });
  } catch (error) {
    connection.channel.destroy();
    await ended.catch(() => {});
    if (HostConfig.AutoRemove) await status;
    throw error;
  }
  const { isTerminal } = await import("../../terminal/tty.ts");
  if (Config.Tty && isTerminal(1)) {
    const { followTerminalSize } = await import("../../terminal/resize.ts");
    cleanup.defer(await followTerminalSize((size) => client.call(containerResize, { id, ...size })));
  }
  return (await ended) === "detached" ? 0 : await status;
}
