// One run of a plugin: a container of its own kind, of which no list and no event of containers knows. Its shim outlives the daemon like
// those of containers; the next daemon takes it over. What it writes goes to the daemon's log.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Fault, messageOf } from "../../lib/errors.ts";
import { FrameDecoder } from "../../lib/frames.ts";
import { openConnection } from "../../lib/http1/connect.ts";
import { callPlugin } from "../../lib/plugin-protocol/client.ts";
import { removeTree } from "../../linux/remove-tree.ts";
import { MS } from "../../linux/mount-flags.ts";
import { host, type Op, type Register } from "../../linux/ops.ts";
import { type CgroupPlan, containerCgroup, planCgroup } from "../../runtime/cgroup/plan.ts";
import { planContainer } from "../../runtime/plan/plan.ts";
import type { OciResources } from "../../runtime/spec/oci.ts";
import {
  connectShim,
  openAttach,
  openShimEvents,
  type ShimClient,
  type ShimExit,
} from "../../runtime/shim/client.ts";
import { adoptScope, type CgroupPlace, endScope, newCgroupPlace } from "../container/run/cgroup.ts";
import { lastExit } from "../container/run/lost.ts";
import { killShim } from "../container/run/start.ts";
import type { PluginContext } from "./context.ts";
import type { PluginRecord } from "./record.ts";
import { isHostNetwork, isPropagating, specOf, takesLogs } from "./spec.ts";

const NETNS: Register = 0;
const SIGTERM = 15;
const SIGKILL = 9;
/** As Docker's, between SIGTERM and SIGKILL. */
const STOP_MS = 10_000;
/** Between two tries to reach a plugin that does not listen yet. */
const TRY_MS = { first: 10, longest: 250 };

/** A plugin that runs. */
export interface PluginRun {
  /** Resolves when it has ended, whoever ended it, and nothing of it is left but its files. */
  readonly exited: Promise<ShimExit>;
  /** Ends it: SIGTERM, and SIGKILL ten seconds later. */
  stop(): Promise<void>;
  /** Lets go of it without ending it. */
  leave(): void;
}

/** Starts a plugin. Fails with what is wrong with its configuration or its program. */
export async function startPlugin(context: PluginContext, record: PluginRecord): Promise<PluginRun> {
  const { id } = record;
  await makeDirectories(context, record);
  try {
    const { ops, place, ...scope } = planRun(context, record);
    const { results } = await context.keel.run(ops);
    const [, pid] = results.at(-1) as [shimPid: number, pid: number];
    await adoptScope(context, place, { pid, ...scope });
    const run = await follow(context, record);
    await run.shim.start().catch(async (error: unknown) => {
      await run.stop(SIGKILL);
      throw error;
    });
    return publicRun(run);
  } catch (error) {
    await endPlugin(context, id);
    throw error;
  }
}

/** Takes over a plugin that a predecessor started; undefined when it has ended. */
export async function adoptPlugin(
  context: PluginContext,
  record: PluginRecord,
): Promise<PluginRun | undefined> {
  try {
    return publicRun(await follow(context, record));
  } catch (error) {
    context.log("debug", `plugin ${record.name}: no shim: ${messageOf(error)}`);
    await endPlugin(context, record.id);
    return undefined;
  }
}

/** Ends whatever is left of a plugin's run and takes its places away. */
export async function endPlugin(context: PluginContext, id: string): Promise<void> {
  await killShim(context.paths.socket(id));
  await settle(context, id);
}

/** Cleans up after a run whose end its shim has told, or which has lost its shim. */
async function settle(context: PluginContext, id: string, told?: ShimExit): Promise<ShimExit> {
  const { paths, keel } = context;
  const place = newCgroupPlace(context, undefined, id);
  const exit = told ?? (await lastExit(context, id, containerCgroup(context.cgroups, place)));
  await endScope(context, place);
  for (const dir of [paths.stateDir(id), paths.sockets(id)]) await removeTree(dir);
  await keel.run([host.unmount(paths.propagated(id))]);
  return exit;
}

async function makeDirectories({ paths, keel, disk }: PluginContext, record: PluginRecord): Promise<void> {
  const { id } = record;
  await mkdir(paths.sockets(id), { recursive: true, mode: 0o700 });
  if (takesLogs(record)) {
    // Pipes of an earlier run have no reader any more.
    await disk.removeTree(paths.logging(id));
    await disk.makeDir(paths.logging(id));
  }
  if (!isPropagating(record)) return;
  const dir = paths.propagated(id);
  await disk.makeDir(dir, 0o755);
  // A mount of its own that shares with nobody else: what the plugin mounts in it appears here, and nowhere else.
  await keel.run([
    host.unmount(dir),
    host.mount("", dir, dir, MS.BIND),
    host.mount("", "", dir, MS.PRIVATE),
    host.mount("", "", dir, MS.SHARED),
  ]);
}

interface RunPlan {
  readonly ops: Op[];
  readonly place: CgroupPlace;
  readonly resources: OciResources;
  readonly plan: CgroupPlan;
}

function planRun(context: PluginContext, record: PluginRecord): RunPlan {
  const { paths, cgroups, systemd } = context;
  const { id } = record;
  const spec = specOf(context, record);
  const asked = spec.linux?.resources ?? {};
  const resources = systemd?.limits(asked) ?? asked;
  const place = newCgroupPlace(context, undefined, id);
  const cgroup = planCgroup(cgroups, { ...place, resources });
  const isHost = isHostNetwork(record);
  const plan = planContainer({
    id,
    spec,
    root: { kind: "dir", path: paths.rootfs(id) },
    rootTarget: paths.rootTarget(),
    stageTarget: paths.stageTarget(),
    stateDir: paths.stateDir(id),
    log: { kind: "none" },
    ...(isHost ? {} : { netns: NETNS }),
    cgroup,
    hasBarrier: true,
  });
  for (const warning of plan.warnings) context.log("warn", `plugin ${record.name}: ${warning}`);
  const network = isHost ? [] : [host.netnsNew(NETNS)];
  return { ops: [...network, ...plan.hostOps, host.shim(plan.shim)], place, resources, plan: cgroup };
}

interface Followed extends Omit<PluginRun, "stop"> {
  readonly shim: ShimClient;
  stop(signal?: number): Promise<void>;
}

const publicRun = (run: Followed): PluginRun => ({
  exited: run.exited,
  stop: () => run.stop(),
  leave: run.leave,
});

/** Connects to the shim: its events, its output, its control. */
async function follow(context: PluginContext, record: PluginRecord): Promise<Followed> {
  const { id, name } = record;
  const socketPath = context.paths.socket(id);
  const ended = Promise.withResolvers<ShimExit | undefined>();
  const events = await openShimEvents(socketPath, {
    onExit: ended.resolve,
    onExecExit: () => {},
    onWarning: (warning) => context.log("warn", `plugin ${name}: ${warning}`),
    onLost: () => ended.resolve(undefined),
  });
  const shim = await connectShim(socketPath);
  const { stream } = await openAttach(socketPath, { stdout: true, stderr: true });
  void logOutput(context, name, stream);
  const close = (): void => {
    events[Symbol.dispose]();
    stream.destroy();
    shim.close();
  };
  const exited = ended.promise.then(async (told) => {
    const exit = await settle(context, id, told);
    close();
    return exit;
  });
  return {
    shim,
    exited,
    leave: close,
    async stop(first = SIGTERM) {
      const late = setTimeout(() => void shim.signal(SIGKILL, { all: true }).catch(() => {}), STOP_MS); // ignored: it has ended meanwhile
      await shim.signal(first, { all: first === SIGKILL }).catch(() => {}); // ignored: it has ended by itself
      await exited;
      clearTimeout(late);
    },
  };
}

/** As Docker: what a plugin writes to stderr are errors, a line each; they are not the daemon's own. */
async function logOutput(
  context: PluginContext,
  name: string,
  stream: AsyncIterable<Uint8Array>,
): Promise<void> {
  const decoder = new FrameDecoder();
  let rest = "";
  try {
    for await (const chunk of stream) {
      for (const frame of decoder.push(chunk)) rest += Buffer.from(frame.data).toString();
      const lines = rest.split("\n");
      rest = (lines.pop() ?? "").slice(-MAX_LINE);
      for (const line of lines) context.log("info", `plugin ${name}: ${line.slice(0, MAX_LINE)}`);
    }
  } catch {
    // ignored: the plugin has ended, or is left to the next daemon
  }
}

const MAX_LINE = 4096;

/**
 * Waits until a plugin that has just been started listens and has answered Plugin.Activate. Fails with system when it ends before, and
 * with deadline after `timeoutMs`.
 */
export async function awaitPlugin(path: string, run: PluginRun, timeoutMs: number): Promise<void> {
  const until = performance.now() + timeoutMs;
  let end: ShimExit | undefined;
  const ended = run.exited.then((exit) => {
    end = exit;
  });
  for (let pause = TRY_MS.first; ; pause = Math.min(pause * 2, TRY_MS.longest)) {
    try {
      (await openConnection({ path }, undefined, Math.max(1, until - performance.now()))).destroy();
      break;
    } catch (error) {
      // compat: Docker says no more than what is before the colon.
      const why = `dial unix ${path}: connect: ${end === undefined ? messageOf(error).split(": ").at(-1) : "no such file or directory"}`;
      if (end !== undefined)
        throw new Fault("system", `${why}: the plugin has ended with exit code ${end.exitCode}`, {
          code: "plugin.ended",
        });
      if (performance.now() >= until)
        throw new Fault("deadline", `${why}: the plugin did not listen within ${timeoutMs / 1000} seconds`, {
          code: "plugin.timeout",
        });
    }
    await Promise.race([ended, delay(pause)]);
  }
  await callPlugin({ path }, "Plugin.Activate", undefined, Math.max(1, until - performance.now())).catch(
    (error: unknown) => {
      // compat: Docker does not ask managed plugins what they are, so that one may not know the question.
      if (!(error instanceof Fault) || error.code !== "plugin.refused") throw error;
    },
  );
}

export const socketOf = ({ paths }: PluginContext, { id, config }: PluginRecord): string =>
  join(paths.sockets(id), config.Interface.Socket);
