// `run`: create (pulling the image when it is missing), attach, start, wait, and leave with the container's exit code.

import type { Client } from "../../../api/client.ts";
import { containerAttach, containerResize, containerStart } from "../../../api/operations/container.ts";
import { Fault } from "../../../lib/errors.ts";
import { followSteps, type Steps } from "../../../lib/steps.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { describeFailure, exitWith } from "../../failure.ts";
import { print } from "../../output.ts";
import type { Session } from "../../session.ts";
import { type AttachEnd, attachTerminal, checkTty } from "../../terminal/attach.ts";
import { forwardSignals } from "../../terminal/signals.ts";
import { checkPull, createContainer } from "./_create.ts";
import { createFlags } from "./_create-flags.ts";
import { buildCreateRequest, type CreateFlags, type CreateRequest } from "./_create-request.ts";
import { registerWait } from "./_wait.ts";

export const command = defineCommand({
  operands: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  arity: atLeast(1),
  flags: {
    ...createFlags,
    detach: bool("Run in the background and print the container ID", { short: "d" }),
    "detach-keys": string("Keys that detach from the container"),
    "sig-proxy": bool("Pass received signals on to the process", { initial: true }),
  },
  interspersed: false,
  async run(session, { flags, given, args }) {
    const steps = followSteps("run", { isFromStart: true });
    steps.done("load");
    const [image = "", ...rest] = args;
    const fail = (error: unknown): Fault => withHelp(session, error);
    let request: CreateRequest;
    try {
      checkPull(flags.pull);
      request = buildCreateRequest({ flags, given, image, args: rest });
    } catch (error) {
      throw exitWith(125, fail(error).message);
    }
    const { isDetached, attach } = attachmentOf(flags, request);
    if (!isDetached) await checkTty(attach.stdin, flags.tty);
    let id: string;
    try {
      id = await createContainer(session, flags, await withConsoleSize(request, flags.tty));
    } catch (error) {
      throw fail(error);
    }
    steps.done("create");
    const client = await session.client();
    if (attach.stdin || attach.stdout || attach.stderr)
      return runAttached(session, client, { id, flags, attach, steps });
    print(`${id}\n`);
    try {
      await client.call(containerStart, { id });
    } catch (error) {
      throw fail(error);
    }
    return 0;
  },
});

type RunFlags = CreateFlags & {
  readonly detach: boolean;
  readonly "detach-keys": string;
  readonly "sig-proxy": boolean;
};
type Attach = CreateRequest["attach"];

function attachmentOf(flags: RunFlags, request: CreateRequest): { isDetached: boolean; attach: Attach } {
  if (!flags.detach) return { isDetached: false, attach: request.attach };
  if (flags.attach.length > 0) {
    throw new Fault("invalidParameter", "conflicting options: cannot specify both --attach and --detach", {
      code: "cli.run",
    });
  }
  const attach = { stdin: false, stdout: false, stderr: false };
  Object.assign(request.body, {
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    StdinOnce: false,
  });
  return { isDetached: true, attach };
}

async function withConsoleSize(request: CreateRequest, isTty: boolean): Promise<CreateRequest> {
  if (!isTty) return request;
  const { terminalSize } = await import("../../terminal/tty.ts");
  const { height, width } = terminalSize();
  return {
    ...request,
    body: { ...request.body, HostConfig: { ...request.body.HostConfig, ConsoleSize: [height, width] } },
  };
}

/** Docker's exit codes: 127 for a program that is not there, 126 for one that cannot be run, else 125. */
function withHelp(session: Session, error: unknown): Fault {
  const text = describeFailure(error);
  const isMissing =
    /executable file not found|no such file or directory|system cannot find the file specified/.test(text);
  const isRefused = /permission denied|is a directory/.test(text);
  const code = isMissing ? 127 : isRefused ? 126 : 125;
  const { program } = session;
  return exitWith(code, `${program}: ${text}\n\nRun '${program} run --help' for more information`);
}

interface Attached {
  readonly id: string;
  readonly flags: RunFlags;
  readonly attach: Attach;
  readonly steps: Steps;
}

async function runAttached(
  session: Session,
  client: Client,
  { id, flags, attach, steps }: Attached,
): Promise<number> {
  const detachKeys = flags["detach-keys"] || ((await session.config()).detachKeys ?? "");
  await using cleanup = new AsyncDisposableStack();
  if (flags["sig-proxy"]) cleanup.defer(forwardSignals(client, id));
  const [connection, { status }] = await Promise.all([
    client.attach(containerAttach, { id, stream: true, ...attach, detachKeys }),
    registerWait(client, id, flags.rm ? "removed" : "next-exit"),
  ]);
  steps.done("attach");
  const ended = attachTerminal(connection, { ...attach, isTty: flags.tty, detachKeys });
  // A failure of the stream is looked at below, after the start has been tried.
  ended.catch(() => {});
  try {
    await client.call(containerStart, { id });
    steps.done("start");
  } catch (error) {
    connection.channel.destroy();
    await ended.catch(() => {});
    if (flags.rm) await status;
    throw withHelp(session, error);
  }
  if (flags.tty) {
    const { isTerminal } = await import("../../terminal/tty.ts");
    if (isTerminal(1)) {
      const { followTerminalSize } = await import("../../terminal/resize.ts");
      cleanup.defer(await followTerminalSize((size) => client.call(containerResize, { id, ...size })));
    }
  }
  // Awaited here: signals and sizes are passed on until the end.
  const exitCode = await finish(ended, status, attach, () => connection.channel.destroy());
  steps.done("end");
  steps.end();
  return exitCode;
}

/** Output may still be on its way when the exit status is there; without output attached there is nothing to wait for. */
async function finish(
  ended: Promise<AttachEnd>,
  status: Promise<number>,
  attach: Attach,
  cut: () => void,
): Promise<number> {
  const first = await Promise.race([ended, status.then(() => "exited" as const)]);
  if (first === "detached") return 0;
  if (first === "exited") {
    if (!attach.stdout && !attach.stderr) cut();
    await ended.catch(() => {
      // ignored: the exit status says more than a broken stream
    });
  }
  return status;
}
