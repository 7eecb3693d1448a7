// Connects the terminal with a hijacked connection: raw bytes under a tty, 8-byte frames otherwise. Owns raw mode and
// gives the terminal back before it returns, whatever happens.

import type { Attached } from "../../api/client.ts";
import { utf8Text } from "../../lib/bytes.ts";
import { FRAME_TYPES, FrameDecoder, type Notice } from "../../lib/frames.ts";
import { Fault } from "../../lib/errors.ts";
import type { Channel } from "../../lib/http1/channel.ts";
import type { DetachWatch } from "../../lib/term/detach-keys.ts";
import { exitWith } from "../failure.ts";
import { PIPE_EXIT_CODE, printError, writeAll, writeLater } from "../output.ts";

export interface AttachOptions {
  readonly isTty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Sequence as configured; empty for the default. */
  readonly detachKeys: string;
  /** Told what the daemon has to say beside the streams. */
  readonly onNotice?: (notice: Notice) => void;
}

/** How an attachment ended: the other side closed it (and said with which exit code, where it was asked to), or the user left. */
export type AttachEnd = "closed" | "detached" | number;

/** Throws Docker's complaint when a tty is asked for and stdin is none. */
export async function checkTty(attachesStdin: boolean, isTty: boolean): Promise<void> {
  if (!attachesStdin || !isTty) return;
  const { isTerminal } = await import("./tty.ts");
  if (isTerminal(0)) return;
  throw new Fault("invalidParameter", "the input device is not a TTY", { code: "cli.no-tty" });
}

/** Copies both ways until the other side closes or the user detaches. */
export async function attachTerminal({ channel }: Attached, options: AttachOptions): Promise<AttachEnd> {
  const { promise: detached, resolve: detach } = Promise.withResolvers<"detached">();
  const input = options.stdin ? await startInput(channel, options, () => detach("detached")) : undefined;
  if (!options.stdin) channel.end();
  try {
    const end = await Promise.race([copyOutput(channel, options), detached]);
    return end;
  } finally {
    input?.stop();
    channel.destroy();
  }
}

async function copyOutput(channel: Channel, options: AttachOptions): Promise<"closed" | number> {
  // With stdin attached a blocked stdout must not keep us from reading stdin, or two programs could wait for each
  // other for ever; without, plain writes are quicker.
  const write = options.stdin ? writeBeside : writeNow;
  if (options.isTty) {
    for await (const chunk of channel) await write(1, chunk);
    return "closed";
  }
  const frames = new FrameDecoder();
  let [exitCode, notices] = ["", ""];
  for await (const chunk of channel) {
    for (const { type, data } of frames.push(chunk)) {
      if (type === FRAME_TYPES.systemError) {
        throw new Fault("system", `error from daemon in stream: ${utf8Text(data)}`, {
          code: "cli.stream",
        });
      }
      if (type === FRAME_TYPES.exitCode) {
        exitCode += utf8Text(data);
        continue;
      }
      if (type === FRAME_TYPES.notice) {
        notices += utf8Text(data);
        for (let end = notices.indexOf("\n"); end >= 0; end = notices.indexOf("\n")) {
          options.onNotice?.(JSON.parse(notices.slice(0, end)) as Notice);
          notices = notices.slice(end + 1);
        }
        continue;
      }
      const fd = type === FRAME_TYPES.stderr ? 2 : 1;
      if (fd === 1 ? options.stdout : options.stderr) await write(fd, data);
    }
  }
  return exitCode === "" ? "closed" : Number(exitCode);
}

function writeNow(fd: 1 | 2, data: Uint8Array): undefined {
  writeAll(fd, data);
}

async function writeBeside(fd: 1 | 2, data: Uint8Array): Promise<void> {
  try {
    await writeLater(fd, data);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
    throw exitWith(PIPE_EXIT_CODE);
  }
}

interface Input {
  stop(): void;
}

async function startInput(channel: Channel, options: AttachOptions, detach: () => void): Promise<Input> {
  const { stdin } = process;
  const isRaw = options.isTty && stdin.isTTY;
  const watch = isRaw ? await watchFor(options.detachKeys) : undefined;
  if (isRaw) {
    stdin.setRawMode(true);
    await passOutputThrough();
  }
  let isStopped = false;
  // bun: a stdin that is paused while its end arrives may never tell of it; reading it piece by piece does.
  const copy = async (): Promise<void> => {
    for await (const chunk of stdin) {
      if (isStopped) return;
      const { pass, isDetached } = watch?.push(chunk) ?? { pass: chunk, isDetached: false };
      if (pass.length > 0 && !channel.write(pass)) await channel.drained();
      if (isDetached) detach();
    }
    channel.end();
  };
  copy().catch(() => channel.end()); // ignored: input that cannot be read is at its end
  return {
    stop: () => {
      isStopped = true;
      if (isRaw) stdin.setRawMode(false);
      stdin.pause();
    },
  };
}

/**
 * node: raw mode leaves the terminal's output processing on (libuv sets ONLCR), which turns the bare line feeds of
 * full-screen programs into new lines. Leaving raw mode restores this too.
 */
async function passOutputThrough(): Promise<void> {
  const { spawnSync } = await import("node:child_process");
  // ignored: without stty the screen may look odd, and everything else works
  spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
}

async function watchFor(keys: string): Promise<DetachWatch> {
  const { DetachWatch, defaultDetachKeys, parseDetachKeys } = await import("../../lib/term/detach-keys.ts");
  if (keys === "") return new DetachWatch(defaultDetachKeys);
  try {
    return new DetachWatch(parseDetachKeys(keys));
  } catch (error) {
    printError(`invalid detach escape keys, using default: ${(error as Error).message}\n`);
    return new DetachWatch(defaultDetachKeys);
  }
}
