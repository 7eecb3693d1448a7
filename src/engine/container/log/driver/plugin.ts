// Logs to a managed plugin (Docker's LogDriver): it is told of a pipe in its own root (LogDriver.StartLogging) and reads frames from it.
// What it does not read waits in the spool; when it has died, it is told of a new pipe.
import { constants, type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Fault, messageOf } from "../../../../lib/errors.ts";
import { randomHex } from "../../../../lib/id.ts";
import { encodePluginEntry } from "../../../../lib/log-protocol/plugin-entry.ts";
import { callPlugin } from "../../../../lib/plugin-protocol/client.ts";
import type { PluginPlace } from "../../../../lib/plugin-protocol/lookup.ts";
import type { Keel } from "../../../../linux/keel.ts";
import { fs } from "../../../../linux/ops.ts";
import type { LogInfo } from "../info.ts";
import {
  DEFAULT_RETRY,
  type Delivery,
  type DeliveryContext,
  type LogDriver,
  type LogMessage,
} from "./driver.ts";
import { spoolStorage } from "./storage.ts";

/** Where a plugin finds its pipes. */
const PIPES = "/run/docker/logging";
const TIMEOUT_MS = 10_000;
const S_IFIFO = 0o010000;
/** Between two looks whether the plugin reads. */
const PAUSE_MS = { first: 5, longest: 200 };

/** Returns the driver that a plugin of this name is; whether there is one is found out when a container starts. */
export function pluginLog(name: string): LogDriver {
  return {
    name,
    defaultTag: "{{.ID}}",
    // compat: what options a plugin has is its own affair.
    check: () => {},
    storage: spoolStorage,
    remote: {
      retry: () => DEFAULT_RETRY,
      open: async (context) => new PluginDelivery(await placeOf(context, name), context),
    },
  };
}

async function placeOf({ plugins }: DeliveryContext, name: string): Promise<PluginPlace> {
  const lookup = (why: string, cause?: unknown): Fault =>
    new Fault("notFound", `error looking up logging plugin ${name}: ${why}`, {
      code: "log.no-plugin",
      cause,
    });
  const place = await plugins.find(name, "LogDriver").catch((error: unknown) => {
    throw lookup(messageOf(error), error);
  });
  if (place === undefined) throw lookup(`plugin ${JSON.stringify(name)} not found`);
  return place;
}

interface Pipe {
  readonly name: string;
  readonly path: string;
  readonly handle: FileHandle;
}

class PluginDelivery implements Delivery {
  readonly #place: PluginPlace;
  readonly #keel: Keel;
  readonly #info: LogInfo;
  #pipe: Pipe | undefined;

  constructor(place: PluginPlace, { keel, info }: DeliveryContext) {
    this.#place = place;
    this.#keel = keel;
    this.#info = info;
  }

  async send(
    messages: readonly LogMessage[],
    signal: AbortSignal,
  ): Promise<{ taken: number; rejected: number }> {
    this.#pipe ??= await this.#begin(signal);
    for (const { stream, timeNano, line, piece } of messages)
      await writeAll(this.#pipe.handle, encodePluginEntry({ source: stream, timeNano, line, piece }), signal);
    return { taken: messages.length, rejected: 0 };
  }

  async #begin(signal: AbortSignal): Promise<Pipe> {
    const dir = this.#place.hostPath(PIPES);
    const name = randomHex(32);
    {
      await using session = await this.#keel.openFs({ kind: "dir", path: dir });
      const meta = { mode: S_IFIFO | 0o600, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0 };
      await session.sync([fs.node(name, meta, 0, 0)]);
    }
    const path = join(dir, name);
    const failed = new AbortController();
    const start = callPlugin(
      this.#place.endpoint,
      "LogDriver.StartLogging",
      { File: `${PIPES}/${name}`, Info: infoFor(this.#info) },
      TIMEOUT_MS,
    ).catch((error: unknown) => {
      failed.abort(error);
      throw error;
    });
    try {
      // It may open the pipe before it answers, or later.
      const [handle] = await Promise.all([
        openForWriting(path, AbortSignal.any([signal, failed.signal])),
        start,
      ]);
      return { name, path, handle };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async finish(): Promise<void> {
    const { endpoint } = this.#place;
    const name = this.#pipe?.name;
    this.close();
    if (name === undefined) return;
    // ignored: the plugin reads to the pipe's end, whatever it says of that
    await callPlugin(endpoint, "LogDriver.StopLogging", { File: `${PIPES}/${name}` }, TIMEOUT_MS).catch(
      () => {},
    );
  }

  close(): void {
    const pipe = this.#pipe;
    this.#pipe = undefined;
    if (pipe === undefined) return;
    void pipe.handle.close().catch(() => {}); // ignored: the plugin sees the end in any case
    void rm(pipe.path, { force: true }).catch(() => {}); // ignored: it goes with the plugin
  }
}

/** Waits until somebody reads; a pipe without a reader cannot be opened for writing. */
async function openForWriting(path: string, signal: AbortSignal): Promise<FileHandle> {
  const until = performance.now() + TIMEOUT_MS;
  for (let pause = PAUSE_MS.first; ; pause = Math.min(pause * 2, PAUSE_MS.longest)) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
      if (performance.now() >= until)
        throw new Fault("deadline", "the plugin does not open the pipe that it was told of", {
          code: "log.unreachable",
        });
    }
    await delay(pause, undefined, { signal });
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, signal: AbortSignal): Promise<void> {
  let pause = PAUSE_MS.first;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += (await handle.write(bytes, at, bytes.length - at, null)).bytesWritten;
      pause = PAUSE_MS.first;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await delay(pause, undefined, { signal });
      pause = Math.min(pause * 2, PAUSE_MS.longest);
    }
  }
}

/** What Docker tells a plugin of a container. */
function infoFor(info: LogInfo): Record<string, unknown> {
  const [entrypoint = "", ...args] = info.command;
  return {
    Config: info.options,
    ContainerID: info.containerId,
    ContainerName: `/${info.containerName}`,
    ContainerEntrypoint: entrypoint,
    ContainerArgs: args,
    ContainerImageID: info.imageId,
    ContainerImageName: info.imageName,
    ContainerCreated: info.createdAt,
    ContainerEnv: info.env,
    ContainerLabels: info.labels,
    LogPath: "",
    DaemonName: "docker",
  };
}
