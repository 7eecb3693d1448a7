// Opens a container's files for copying. A running container's are those it sees itself, mounts included, through
// /proc/PID/root; a stopped one's are its layers, and a path below one of its binds or
// volumes is looked up in what would be mounted there. What the kernel shows in /proc and /sys is no files of a container's:
// reading finds there what a stopped container has.
// Invariant: the process is known to have been the container's when its root was opened, since a number is given again
// as soon as nobody waits for it.
import { Fault, messageOf } from "../../../lib/errors.ts";
import type { FsSession } from "../../../linux/keel.ts";
import type { ContainerContext } from "../context.ts";
import { mountAt, mountsOf, openSource } from "../mounts/open.ts";
import type { ContainerRecord } from "../record.ts";
import type { LiveContainer, Run } from "../table.ts";
import type { ContainerPath } from "./path.ts";
import { cleanPath } from "./path.ts";
import { endOf } from "./stat.ts";

/** A session and where in it the path of the request is. */
export interface OpenRoot {
  readonly session: FsSession;
  readonly path: ContainerPath;
  /** Whether it is the view of a running container: its kernel file systems are mounted there. */
  readonly isLive: boolean;
  /** Only what would be mounted in the container was opened: the path is in that. */
  readonly isMount?: true;
}

/** Opens the files for reading. A stopped container may be started meanwhile. */
export async function openForReading(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  path: ContainerPath,
): Promise<OpenRoot> {
  const { layers } = context;
  return (
    (await openSeen(context, live, record, path)) ??
    (await openMount(context, record, path)) ?? {
      session: await layers.openFs(
        layers.containerRoot(layers.viewSource(layers.upperOf(record.id, record.idMap), record.layer)),
      ),
      path,
      isLive: false,
    }
  );
}

/** Opens what a running container sees, unless the kernel makes it up at the path. */
async function openSeen(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  path: ContainerPath,
): Promise<OpenRoot | undefined> {
  if (isOfKernel(path.clean)) return undefined;
  const seen = await openLive(context, live.run, record, path);
  if (seen === undefined || !path.saysDirectory || !isOfKernel(await endOf(seen.session, path.clean)))
    return seen;
  await seen.session[Symbol.asyncDispose]();
  return undefined;
}

/** compat: Docker copies from the container's files without /proc and /sys, which change while they are read. */
const isOfKernel = (clean: string): boolean => /^(?:proc|sys)(?:\/|$)/.test(clean);

/**
 * Opens a stopped container's files for writing; the caller is in its lane, because the writable layer must not be mounted
 * twice. Fails with forbidden when they are read-only.
 */
export async function openForWriting(
  context: ContainerContext,
  record: ContainerRecord,
  path: ContainerPath,
): Promise<OpenRoot> {
  const { layers } = context;
  const bound = await openMount(context, record, path, { isForWriting: true });
  if (bound !== undefined) return bound;
  if (record.hostConfig.ReadonlyRootfs) throw readOnlyRoot();
  const source = layers.rootSource(record.layer, layers.upperOf(record.id, record.idMap));
  return { session: await layers.openFs(layers.containerRoot(source)), path, isLive: false };
}

/** Opens what a running container sees; undefined when it does not run any more. */
export async function openLive(
  context: ContainerContext,
  run: Run | null,
  { idMap }: Pick<ContainerRecord, "idMap">,
  path: ContainerPath,
): Promise<OpenRoot | undefined> {
  if (run === null) return undefined;
  let session: FsSession | undefined;
  try {
    const proc = `/proc/${run.pid}`;
    session = await context.keel.openFs(
      idMap === undefined
        ? { kind: "dir", path: `${proc}/root` }
        : { kind: "inside", path: `${proc}/root`, userns: `${proc}/ns/user` },
    );
    const state = await run.shim.state();
    if (state.status === "running" && state.initPid === run.pid) return { session, path, isLive: true };
  } catch (error) {
    context.log("debug", `cannot open the root of process ${run.pid}: ${messageOf(error)}`);
  }
  await session?.[Symbol.asyncDispose]();
  return undefined;
}

/** Opens the bind or volume that a stopped container would have at the path, undefined when there is none. */
async function openMount(
  context: ContainerContext,
  record: ContainerRecord,
  path: ContainerPath,
  options: { isForWriting?: boolean } = {},
): Promise<OpenRoot | undefined> {
  const mount = mountAt(await mountsOf(context, record), path.clean);
  if (mount === undefined) return undefined;
  if (options.isForWriting && mount.isReadonly) throw readOnlyVolume();
  const rest = path.clean.slice(cleanPath(mount.destination).length + 1);
  const opened = await openSource(context, record, mount, rest);
  return opened === undefined
    ? undefined
    : { session: opened.session, path: { ...path, clean: opened.clean }, isLive: false, isMount: true };
}

export function readOnlyRoot(): Fault {
  return new Fault("forbidden", "container rootfs is marked read-only", { code: "container.read-only" });
}

export function readOnlyVolume(): Fault {
  return new Fault("forbidden", "mounted volume is marked read-only", { code: "container.read-only" });
}
