import type { Client } from "../../../api/client.ts";
import {
  containerAttach,
  containerInspect,
  containerResize,
  containerWait,
} from "../../../api/operations/container.ts";
import type { ContainerInspect } from "../../../api/schemas/container.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER",
  arity: exactly(1),
  flags: {
    "detach-keys": string("Keys that detach from the container"),
    "no-stdin": bool("Do not attach STDIN"),
    "sig-proxy": bool("Pass all received signals on to the process", { initial: true }),
  },
  async run(session, { flags, args }) {
    const id = args[0] ?? "";
    const client = await session.client();
    const { Config } = await inspectRunning(client, id);
    const waiting = client.call(containerWait, { id });
    waiting.catch(() => {});
    const { attachTerminal, checkTty } = await import("../../terminal/attach.ts");
    await checkTty(!flags["no-stdin"], Config.Tty);
    const detachKeys = flags["detach-keys"] || ((await session.config()).detachKeys ?? "");
    const attach = { stdin: !flags["no-stdin"] && Config.OpenStdin, stdout: true, stderr: true };
    await using cleanup = new AsyncDisposableStack();
    if (flags["sig-proxy"] && !Config.Tty) {
      const { forwardSignals } = await import("../../terminal/signals.ts");
      cleanup.defer(forwardSignals(client, id));
    }
    const connection = await client.attach(containerAttach, { id, stream: true, ...attach, detachKeys });
    // It may have stopped meanwhile, and an attachment to a stopped container would wait for ever.
    await inspectRunning(client, id);
    if (Config.Tty) cleanup.defer(await followSize(client, id));
    const end = await attachTerminal(connection, { ...attach, isTty: Config.Tty, detachKeys });
    if (end === "detached") throw complain("read escape sequence");
    const result = await waiting;
    if (result.Error != null) throw complain(result.Error.Message);
    return result.StatusCode;
  },
});

async function inspectRunning(client: Client, id: string): Promise<ContainerInspect> {
  const container = await client.call(containerInspect, { id });
  const { State } = container;
  if (!State.Running) throw complain("You cannot attach to a stopped container, start it first");
  if (State.Paused) throw complain("You cannot attach to a paused container, unpause it first");
  if (State.Restarting)
    throw complain("You cannot attach to a restarting container, wait until it is running");
  return container;
}

/** A changed size makes programs redraw, so that the prompt appears on every attach. */
async function followSize(client: Client, id: string): Promise<() => void> {
  const { isTerminal, terminalSize } = await import("../../terminal/tty.ts");
  if (!isTerminal(1)) return () => {};
  const { height, width } = terminalSize();
  await client.call(containerResize, { id, height: height + 1, width: width + 1 }).catch(() => {
    // ignored: only the look of the prompt depends on it
  });
  const { followTerminalSize } = await import("../../terminal/resize.ts");
  return followTerminalSize((size) => client.call(containerResize, { id, ...size }));
}
