// Connects a client to a container's streams: the shim speaks Docker's own framing (native/PROTOCOL.md, "Streams"), so that
// its bytes are mostly passed on as they are (streams/splice.ts). Before the start a client waits; the start connects it
// while the process is held back, so that no output is lost.
import type { Duplex } from "node:stream";
import type { Hijack } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { containerAttach } from "../../api/operations/container.ts";
import { encodeFrames, FRAME_TYPES } from "../../lib/frames.ts";
import { Fault, SysError } from "../../lib/errors.ts";
import { openAttach } from "../../runtime/shim/client.ts";
import { type ContainerContext, publish } from "./context.ts";
import { bytesOf } from "./log/entry.ts";
import { checkReadable } from "./log/output.ts";
import { readLog } from "./log/read.ts";
import { type ContainerRecord, isRunning } from "./record.ts";
import { readDetachKeys, splice, type SpliceOptions } from "./streams/splice.ts";
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
    endsInput: streams.stdin && !isTty && StdinOnce ? () => isFirstEnd(live.run) : undefined,
  };
  const finished = Promise.withResolvers<"closed" | "detached">();
  const connect = async (socketPath: string): Promise<void> => {
    const { stream } = await openAttach(socketPath, streams);
    finished.resolve(splice(client, stream, options));
  };
  if (isRunning(record)) await connectOrEnd(connect, context.paths.socket(live.id), client, options.settled);
  if (client.writableEnded) return;
  if (!isRunning(record)) awaitStart(live, connect, client, signal, () => finished.resolve("closed"));
  if ((await finished.promise) === "detached") publish(context, record, "detach");
}

/** Runs that have been told the end of their input: a connection that has told it stays until the process ends, one is enough. */
const inputOver = new WeakSet<Run>();

function isFirstEnd(run: Run | null): boolean {
  if (run === null || inputOver.has(run)) return false;
  inputOver.add(run);
  return true;
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
  connect: PendingAttach["connect"],
  client: Duplex,
  signal: AbortSignal,
  onGone: () => void,
): void {
  const pending = { connect, cancel: () => client.end() };
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
