// `run`: create (pulling the image when it is missing), attach, start, wait, and leave with the container's exit code.

import type { Attached, Client } from "../../../api/client.ts";
import {
  containerAttach,
  containerCreate,
  containerResize,
  containerStart,
} from "../../../api/operations/container.ts";
import { Fault } from "../../../lib/errors.ts";
import { followSteps, type Steps } from "../../../lib/steps.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { describeFailure, exitWith } from "../../failure.ts";
import { print, printError } from "../../output.ts";
import type { Session } from "../../session.ts";
import { type AttachEnd, attachTerminal, checkTty } from "../../terminal/attach.ts";
import { forwardSignals } from "../../terminal/signals.ts";
import { type Begin, checkPull, type Created, createContainer, warn } from "./_create.ts";
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
    const isAttached = attach.stdin || attach.stdout || attach.stderr;
    // A terminal has no frames for what else there is to say; a socket of the API is put into the container before it starts.
    const begins = isAttached && !flags.tty && !flags["use-api-socket"];
    using forwarding = new DisposableStack();
    const begin = begins ? beginWith(flags, forwarding) : undefined;
    let created: Created;
    try {
      created = await createContainer(session, flags, await withConsoleSize(request, flags.tty), begin);
    } catch (error) {
      throw fail(error);
    }
    steps.done("create");
    const { id, attached } = created;
    if (attached !== undefined) return await runBegun(session, { attach, steps }, attached);
    const client = await session.client();
    if (isAttached) return await runAttached(session, client, { id, flags, attach, steps });
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

interface AttachedRun {
  readonly id: string;
  readonly flags: RunFlags;
  readonly attach: Attach;
  readonly steps: Steps;
}

/** A signal that comes before the answer is the container's, too: it may have begun by then. */
function beginWith(flags: RunFlags, forwarding: DisposableStack): Begin {
  return async (client, asked) => {
    const id = Promise.withResolvers<string>();
    const stop = flags["sig-proxy"] ? forwardSignals(client, id.promise) : () => {};
    try {
      const begun = await client.begun(containerCreate, asked);
      if ("value" in begun) stop();
      else {
        id.resolve(begun.id);
        forwarding.defer(stop);
      }
      return begun;
    } catch (error) {
      stop();
      throw error;
    }
  };
}

/** The daemon has attached us and starts the container: what is left is to pass streams on, and the exit code. */
async function runBegun(
  session: Session,
  { attach, steps }: Pick<AttachedRun, "attach" | "steps">,
  attached: Attached,
): Promise<number> {
  let failure: Fault | undefined;
  let waitError = "the daemon has gone";
  const end = await attachTerminal(attached, {
    ...attach,
    isTty: false,
    detachKeys: "",
    onNotice: (notice) => {
      if ("warning" in notice) warn(notice.warning);
      else if ("waitError" in notice) ({ waitError } = notice);
      else {
        const { kind, message } = notice.failure;
        failure = new Fault(kind, message, { code: "daemon.error" });
      }
    },
  });
  steps.done("end");
  steps.end();
  if (failure !== undefined) throw withHelp(session, failure);
  if (typeof end === "number") return end;
  printError(`Error waiting for container: ${waitError}\n`);
  return 125;
}

async function runAttached(
  session: Session,
  client: Client,
  { id, flags, attach, steps }: AttachedRun,
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
