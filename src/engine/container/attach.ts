// Connects a client to a container's streams: the shim speaks Docker's own framing (native/PROTOCOL.md, "Streams"), so that
// its bytes are mostly passed on as they are (streams/splice.ts). Before the start a client waits; the start connects it
// while the process is held back, so that no output is lost.
import type { Duplex } from "node:stream";
import type { Hijack } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { containerAttach } from "../../api/operations/container.ts";
import { encodeFrames, exitFrame, FRAME_TYPES, noticeFrame } from "../../lib/frames.ts";
import { Fault, messageOf, SysError } from "../../lib/errors.ts";
import { openAttach } from "../../runtime/shim/client.ts";
import { type ContainerContext, publish } from "./context.ts";
import { bytesOf } from "./log/entry.ts";
import { checkReadable } from "./log/output.ts";
import { readLog } from "./log/read.ts";
import { type ContainerRecord, isRunning } from "./record.ts";
import { readDetachKeys, splice, type SpliceOptions } from "./streams/splice.ts";
import { waitFor } from "./run/wait.ts";
import type { LiveContainer, PendingAttach, Run } from "./table.ts";

type AttachInput = InputOf<typeof containerAttach>;

/** Attaches; resolves when the streams are at their end, the client has gone, or its user has typed the detach keys. */
export async function attach(
  context: ContainerContext,
  input: AttachInput,
  hijack: Hijack,
  signal: AbortSignal,
): Promise<void> {
  const detachKeys = readDetachKeys(input.detachKeys, (keys) => `Invalid detach keys (${keys}) provided`);
  const record = context.table.find(input.id);
  const live = context.table.live(record.id);
  checkAttachable(record, input.id);
  if (input.logs) checkReadable(record);
  const { Tty: isTty, OpenStdin, StdinOnce } = record.config;
  const client = hijack.accept({ isTty });
  client.on("error", () => {}); // ignored: a client that has gone is seen by its `close`
  publish(context, record, "attach");
  if (input.logs) await sendHistory(context, record, input, client, hijack.wantsFrames && !isTty);
  if (!input.stream) return void client.end();
  const streams = { stdin: input.stdin && OpenStdin, stdout: input.stdout, stderr: input.stderr };
  const options: SpliceOptions = {
    stdin: streams.stdin,
    endsWithInput: isTty || !StdinOnce,
    detachKeys: isTty ? detachKeys : undefined,
    frames: { given: !isTty, wanted: !isTty && hijack.wantsFrames },
    settled: async () => live.run?.settled,
    signal,
    endsInput: endOfInput(live, streams.stdin && !isTty && StdinOnce),
  };
  const finished = Promise.withResolvers<"closed" | "detached">();
  const connect = async (socketPath: string): Promise<void> => {
    const { stream } = await openAttach(socketPath, streams);
    finished.resolve(splice(client, stream, options));
  };
  if (isRunning(record)) await connectOrEnd(connect, context.paths.socket(live.id), client, options.settled);
  if (client.writableEnded) return;
  const pending = { connect, cancel: () => client.end() };
  if (!isRunning(record)) awaitStart(live, pending, client, signal, () => finished.resolve("closed"));
  if ((await finished.promise) === "detached") publish(context, record, "detach");
}

/** Runs that have been told the end of their input: a connection that has told it stays until the process ends, one is enough. */
const inputOver = new WeakSet<Run>();

function endOfInput(live: LiveContainer, isTold: boolean): SpliceOptions["endsInput"] {
  if (!isTold) return undefined;
  return () => {
    if (live.run === null || inputOver.has(live.run)) return false;
    inputOver.add(live.run);
    return true;
  };
}

/** What a container is to begin with, once whoever has created it is attached. */
export interface BegunContainer {
  readonly id: string;
  readonly warnings: readonly string[];
  /** Throws what `start` throws. */
  readonly start: () => Promise<void>;
}

/**
 * Attaches whoever has just created the container, starts it, and tells its end: what `run` does in four requests of Docker's client. For one
 * without a terminal. Resolves when the streams are at their end, or the client has gone.
 */
export async function runAttached(
  context: ContainerContext,
  { id, warnings, start }: BegunContainer,
  hijack: Hijack,
  signal: AbortSignal,
): Promise<void> {
  const { config } = context.table.find(id);
  const live = context.table.live(id);
  const client = hijack.accept({ isTty: false, begun: { upgrade: "run", header: "Container-Id", id } });
  client.on("error", () => {}); // ignored: a client that has gone is seen by its `close`
  for (const warning of warnings) client.write(noticeFrame({ warning }));
  publish(context, context.table.find(id), "attach");
  const outcome = outcomeOf(context, id, signal);
  const streams = {
    stdin: config.AttachStdin && config.OpenStdin,
    stdout: config.AttachStdout,
    stderr: config.AttachStderr,
  };
  const finished = Promise.withResolvers<unknown>();
  let isConnected = false;
  const connect = async (socketPath: string): Promise<void> => {
    const { stream } = await openAttach(socketPath, streams);
    isConnected = true;
    finished.resolve(
      splice(client, stream, {
        stdin: streams.stdin,
        endsWithInput: !config.StdinOnce,
        frames: { given: true, wanted: true },
        settled: () => outcome.settled,
        lastWords: outcome.words,
        signal,
        endsInput: endOfInput(live, streams.stdin && config.StdinOnce),
      }),
    );
  };
  // Called off by a removal: then the start fails.
  const pending = { connect, cancel: () => {} };
  awaitStart(live, pending, client, signal, () => finished.resolve("closed"));
  if (signal.aborted) return; // nobody waits for it any more
  await start().then(outcome.started, outcome.failed);
  // One that has failed before its streams were there has nobody else to say so.
  if (!isConnected) {
    await outcome.settled;
    client.end(outcome.words());
  }
  await finished.promise;
}

/** What comes behind a container's streams: the exit code, or why there is none. */
function outcomeOf({ table }: ContainerContext, id: string, signal: AbortSignal) {
  const condition = table.find(id).hostConfig.AutoRemove ? "removed" : "next-exit";
  const start = Promise.withResolvers<void>();
  let words: Uint8Array = new Uint8Array(0);
  const end = waitFor(table, id, condition, signal).then(
    ({ exitCode, error }) => (error === "" ? exitFrame(exitCode) : noticeFrame({ waitError: error })),
    () => words, // ignored: the client has gone
  );
  return {
    started: () => start.resolve(),
    failed: (error: unknown) => start.reject(error),
    /** Resolves when there is something to say: a container that did not start may never end. */
    settled: start.promise.then(
      async () => {
        words = await end;
      },
      (error: unknown) => {
        const kind = error instanceof Fault ? error.kind : "system";
        words = noticeFrame({ failure: { kind, message: messageOf(error) } });
      },
    ),
    words: () => words,
  };
}

function checkAttachable(record: ContainerRecord, reference: string): void {
  if (record.state.status === "paused")
    throw new Fault("conflict", `container ${reference} is paused, unpause the container before attach`, {
      code: "container.paused",
    });
  if (record.state.status === "restarting")
    throw new Fault("conflict", `container ${reference} is restarting, wait until the container is running`, {
      code: "container.restarting",
    });
}

/** A container may end while the client is on its way to it: that is the end of the stream. */
async function connectOrEnd(
  connect: (socketPath: string) => Promise<void>,
  socketPath: string,
  client: Duplex,
  settled: () => Promise<unknown>,
): Promise<void> {
  try {
    await connect(socketPath);
  } catch (error) {
    if (!(error instanceof SysError) && !(error instanceof Fault && error.kind === "unavailable"))
      throw error;
    await settled();
    client.end();
  }
}

/** Has the client connected by the container's next start. */
function awaitStart(
  live: LiveContainer,
  pending: PendingAttach,
  client: Duplex,
  signal: AbortSignal,
  onGone: () => void,
): void {
  live.pendingAttaches.add(pending);
  const forget = (): void => {
    live.pendingAttaches.delete(pending);
    onGone();
  };
  client.once("close", forget);
  signal.addEventListener("abort", forget, { once: true });
}

async function sendHistory(
  context: ContainerContext,
  record: ContainerRecord,
  input: AttachInput,
  client: Duplex,
  isFramed: boolean,
): Promise<void> {
  for await (const entries of readLog(context.logs.pathOf(record), {})) {
    const frames = entries
      .filter((e) => (e.stream === "stderr" ? input.stderr : input.stdout))
      .map((e) => ({
        type: e.stream === "stderr" ? FRAME_TYPES.stderr : FRAME_TYPES.stdout,
        data: bytesOf(e.log),
      }));
    client.write(isFramed ? encodeFrames(frames) : Buffer.concat(frames.map((f) => f.data)));
  }
}
