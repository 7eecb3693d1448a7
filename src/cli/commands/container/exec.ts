import type { Client } from "../../../api/client.ts";
import { containerExec, execInspect, execResize, execStart } from "../../../api/operations/exec.ts";
import { bool, list, string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { complain, exitWith, isUnreachable } from "../../failure.ts";
import { envFlag, readKeyValues } from "../../options/env.ts";
import { attachTerminal, checkTty } from "../../terminal/attach.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  arity: atLeast(2),
  flags: {
    detach: bool("Run the command in the background", { short: "d" }),
    "detach-keys": string("Keys that detach from the container"),
    env: envFlag("Set environment variables", { short: "e", since: "1.25" }),
    "env-file": list("Read a file of environment variables", { since: "1.25" }),
    interactive: bool("Keep STDIN open even if not attached", { short: "i" }),
    privileged: bool("Give extended privileges to the command"),
    tty: bool("Allocate a pseudo-TTY", { short: "t" }),
    user: string('User name or UID (format: "<name|uid>[:<group|gid>]")', { short: "u" }),
    workdir: string("Working directory inside the container", { short: "w", since: "1.35" }),
  },
  interspersed: false,
  async run(session, { flags, args }) {
    const [container = "", ...Cmd] = args;
    const Env = readKeyValues(flags["env-file"], flags.env, (name) => process.env[name]);
    const client = await session.client();
    const detachKeys = flags["detach-keys"] || ((await session.config()).detachKeys ?? "");
    const attach = {
      stdin: flags.interactive && !flags.detach,
      stdout: !flags.detach,
      stderr: !flags.detach,
    };
    if (attach.stdin && flags.tty) {
      // A container that is not there matters more than a terminal that is not.
      const { containerInspect } = await import("../../../api/operations/container.ts");
      await client.call(containerInspect, { id: container });
      await checkTty(true, true);
    }
    const size = flags.tty ? { ConsoleSize: await consoleSize() } : {};
    const asked = {
      id: container,
      body: {
        User: flags.user,
        Privileged: flags.privileged,
        Tty: flags.tty,
        ...size,
        AttachStdin: attach.stdin,
        AttachStdout: attach.stdout,
        AttachStderr: attach.stderr,
        DetachKeys: detachKeys,
        Env,
        WorkingDir: flags.workdir,
        Cmd,
      },
    };
    if (flags.detach) {
      const { Id: id } = await client.call(containerExec, asked);
      await client.call(execStart, { id, body: { Detach: true, Tty: flags.tty, ...size } });
      return 0;
    }
    const begun = await client.begun(containerExec, asked);
    const id = "id" in begun ? begun.id : begun.value.Id;
    const connection =
      "attached" in begun
        ? begun.attached
        : await client.attach(execStart, {
            id,
            body: { Detach: false, Tty: flags.tty, ...size, ...(flags.tty ? {} : { ExitFrame: true }) },
          });
    const stopFollowing = flags.tty ? await followSize(client, id) : undefined;
    const end = await attachTerminal(connection, { ...attach, isTty: flags.tty, detachKeys }).finally(
      stopFollowing,
    );
    if (end === "detached") throw complain("read escape sequence");
    return typeof end === "number" ? end : await exitCode(client, id);
  },
});

async function consoleSize(): Promise<[number, number]> {
  const { terminalSize } = await import("../../terminal/tty.ts");
  const { height, width } = terminalSize();
  return [height, width];
}

async function followSize(client: Client, id: string): Promise<() => void> {
  const { isTerminal } = await import("../../terminal/tty.ts");
  if (!isTerminal(0)) return () => {};
  const { followTerminalSize } = await import("../../terminal/resize.ts");
  return followTerminalSize((size) => client.call(execResize, { id, ...size }));
}

async function exitCode(client: Client, id: string): Promise<number> {
  try {
    return (await client.call(execInspect, { id })).ExitCode ?? 0;
  } catch (error) {
    // The daemon died while the command ran; Docker's client then exits with -1.
    if (isUnreachable(error)) throw exitWith(255);
    throw error;
  }
}
