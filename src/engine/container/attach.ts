// Connects a client to a container's streams. The bytes between shim and client are passed on as they are: the shim
// speaks Docker's own framing (native/PROTOCOL.md, "Streams"). Before the start a client waits; the start connects it
// while the process is held back, so that no output is lost.
import type { Duplex } from "node:stream";
import type { Hijack } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { containerAttach } from "../../api/operations/container.ts";
import { encodeFrames, FRAME_TYPES } from "../../lib/frames.ts";
import { Fault } from "../../lib/errors.ts";
import { openAttach } from "../../runtime/shim/client.ts";
import { type ContainerContext, publish } from "./context.ts";
import { bytesOf } from "./log/entry.ts";
import { checkReadable } from "./log/output.ts";
import { readLog } from "./log/read.ts";
import { type ContainerRecord, isRunning } from "./record.ts";
import type { LiveContainer } from "./table.ts";

type AttachInput = InputOf<typeof containerAttach>;

/** Attaches; resolves when the streams are at their end or the client has gone. */
export async function attach(
  context: ContainerContext,
  live: LiveContainer,
  input: AttachInput,
  hijack: Hijack,
  signal: AbortSignal,
): Promise<void> {
  const record = context.table.find(live.id);
  if (record.state.status === "paused")
    throw new Fault("conflict", `container ${input.id} is paused, unpause the container before attach`, {
      code: "container.paused",
    });
  if (record.state.status === "restarting")
    throw new Fault("conflict", `container ${input.id} is restarting, wait until the container is running`, {
      code: "container.restarting",
    });
  if (input.logs) checkReadable(record);
  const client = hijack.accept({ isTty: record.config.Tty });
  client.on("error", () => {}); // ignored: a client that has gone is seen by its `close`
  publish(context, record, "attach");
  if (input.logs) await sendHistory(context, record, input, client);
  if (!input.stream) return void client.end();
  const streams = {
    stdin: input.stdin && record.config.OpenStdin,
    stdout: input.stdout,
    stderr: input.stderr,
  };
  const connect = async (socketPath: string): Promise<void> => {
    const { stream } = await openAttach(socketPath, streams);
    finished.resolve(splice(client, stream, streams.stdin));
  };
  const finished = Promise.withResolvers<void>();
  if (isRunning(record)) await connect(context.paths.socket(live.id));
  else {
    const pending = { connect };
    live.pendingAttaches.add(pending);
    const forget = (): void => {
      live.pendingAttaches.delete(pending);
      finished.resolve();
    };
    client.once("close", forget);
    signal.addEventListener("abort", forget, { once: true });
  }
  await finished.promise;
}

async function sendHistory(
  context: ContainerContext,
  record: ContainerRecord,
  input: AttachInput,
  client: Duplex,
): Promise<void> {
  for await (const entries of readLog(context.logs.pathOf(record), {})) {
    const frames = entries
      .filter((e) => (e.stream === "stderr" ? input.stderr : input.stdout))
      .map((e) => ({
        type: e.stream === "stderr" ? FRAME_TYPES.stderr : FRAME_TYPES.stdout,
        data: bytesOf(e.log),
      }));
    client.write(record.config.Tty ? Buffer.concat(frames.map((f) => f.data)) : encodeFrames(frames));
  }
}

/**
 * Passes bytes both ways until the shim is done or the client has gone. The client's half-close is the end of stdin;
 * without stdin what it sends is dropped. The client's stream ends only when `settled` has resolved as well, so that
 * whoever asks for the exit code after the end gets it.
 */
export function splice(
  client: Duplex,
  shim: Duplex,
  hasStdin: boolean,
  settled: Promise<unknown> = Promise.resolve(),
): Promise<void> {
  return new Promise((resolve) => {
    shim.on("error", () => {}); // ignored: a shim that has gone is seen by its `close`
    shim.pipe(client, { end: false });
    if (hasStdin) client.pipe(shim);
    else client.resume();
    shim.once("end", () => {
      void settled.then(() => client.end());
    });
    shim.once("close", () => {
      void settled.then(() => {
        client.end();
        resolve();
      });
    });
    client.once("close", () => {
      shim.destroy();
      resolve();
    });
  });
}
