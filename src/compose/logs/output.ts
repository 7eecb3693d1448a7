// Reads containers' output: attached while they run, or from their logs.

import type { Duplex } from "node:stream";
import type { Client } from "../../api/client.ts";
import { containerAttach, containerInspect, containerLogs } from "../../api/operations/container.ts";
import { FRAME_TYPES, FrameDecoder } from "../../lib/frames.ts";

/** Takes a piece of output. */
export type Sink = (fd: 1 | 2, data: Uint8Array) => void;

export interface LogQuery {
  readonly follow?: boolean;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly tail?: string;
  readonly timestamps?: boolean;
}

/** Attaches to a container, running or not yet; the returned promise is done when its output ends. */
export async function attachOutput(
  client: Client,
  id: string,
  sink: Sink,
): Promise<{ readonly ended: Promise<void>; readonly close: () => void }> {
  const { socket, isMultiplexed } = await client.hijack(containerAttach, {
    id,
    stream: true,
    stdout: true,
    stderr: true,
  });
  const isRaw = isMultiplexed !== true && (await isTty(client, id));
  return { ended: copy(socket, isRaw, sink), close: () => socket.destroy() };
}

/** Reads a container's log to its end; with `follow` that is when the container stops. */
export async function readLog(
  client: Client,
  id: string,
  query: LogQuery,
  sink: Sink,
  signal?: AbortSignal,
): Promise<void> {
  const { follow = false, since, until, tail = "all", timestamps = false } = query;
  const args = { id, stdout: true, stderr: true, follow, since, until, tail, timestamps };
  const isRaw = await isTty(client, id);
  const response = await client.stream(containerLogs, args, { signal });
  await copy(response, isRaw, sink);
}

/** compat: before API 1.42 the answer does not say whether it has frames. */
async function isTty(client: Client, id: string): Promise<boolean> {
  return (await client.call(containerInspect, { id })).Config.Tty;
}

async function copy(source: AsyncIterable<Uint8Array> | Duplex, isRaw: boolean, sink: Sink): Promise<void> {
  const frames = new FrameDecoder();
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      if (isRaw) sink(1, chunk);
      else for (const { type, data } of frames.push(chunk)) sink(type === FRAME_TYPES.stderr ? 2 : 1, data);
    }
  } catch (error) {
    // A connection that is closed from this side has no more to say.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ERR_STREAM_PREMATURE_CLOSE" && code !== "ECONNRESET") throw error;
  }
}
