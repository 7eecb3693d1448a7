// Containers whose processes an external OCI runtime makes: what the operations on containers do through its command line instead of
// with the kernel directly. A container's record says which runtime it has; null is our own.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../../lib/errors.ts";
import { removeTree } from "../../../linux/remove-tree.ts";
import { cleanCgroupPath } from "../../../linux/cgroupfs/hierarchy.ts";
import type { CgroupPlace } from "../run/cgroup.ts";
import type { FsSession } from "../../../linux/keel.ts";
import { type ExecPlan, fs } from "../../../linux/ops.ts";
import { callRuntime, externalFailure } from "../../../runtime/external/call.ts";
import { RUNTIME_LOG, type RuntimeContainer, runtimeEnvironment } from "../../../runtime/external/command.ts";
import { ociJson, plainProcess } from "../../../runtime/external/config.ts";
import { planExternalContainer, planExternalExec, probeDir } from "../../../runtime/external/plan.ts";
import { execProcess } from "../../../runtime/plan/exec.ts";
import { probeCommand } from "../../../runtime/health/plan.ts";
import type { ContainerPlan, ExecRequest, PlanInput } from "../../../runtime/plan/input.ts";
import type { OciProcess, OciResources, OciSpec } from "../../../runtime/spec/oci.ts";
import type { ContainerContext } from "../context.ts";
import { checkOf } from "../health/config.ts";
import type { ContainerRecord } from "../record.ts";
import type { ExternalRuntime } from "./runtimes.ts";

/** Returns a container as its external runtime knows it; undefined where our own makes its processes. */
export function externalOf(
  { paths }: Pick<ContainerContext, "paths">,
  record: Pick<ContainerRecord, "id" | "external">,
): RuntimeContainer | undefined {
  return record.external === undefined ? undefined : runtimeContainer(paths, record.id, record.external);
}

function runtimeContainer(
  paths: ContainerContext["paths"],
  id: string,
  { command }: ExternalRuntime,
): RuntimeContainer {
  return { runtime: { command, env: runtimeEnvironment(process.env) }, id, stateDir: paths.stateDir(id) };
}

/** In the container's own directory, so that it is still there when a start has failed and everything else was undone. */
const startLog = (context: Pick<ContainerContext, "paths">, id: string): string =>
  join(context.paths.dir(id), RUNTIME_LOG);

/** Returns the specification with its user looked up in the container's own accounts: a runtime takes numbers only. */
export async function withUserOfNumbers(session: FsSession, spec: OciSpec): Promise<OciSpec> {
  const { process } = spec;
  return process === undefined ? spec : { ...spec, process: await lookedUp(session, process) };
}

async function lookedUp(session: FsSession, process: OciProcess): Promise<OciProcess> {
  const { username, additionalGroups = [], ...rest } = process.user;
  const text = username ?? `${process.user.uid}:${process.user.gid}`;
  const [found] = await session.sync([fs.user(text, additionalGroups)]);
  const [uid, gid, groups] = found as [uid: number, gid: number, groups: number[]];
  return { ...process, user: { ...rest, uid, gid, additionalGids: groups } };
}

/** Looks the user up in the files of a container that does not run. */
export async function specForRuntime(
  context: ContainerContext,
  record: ContainerRecord,
  spec: OciSpec,
): Promise<OciSpec> {
  const { layers } = context;
  const source = layers.viewSource(layers.upperOf(record.id), record.layer);
  await using session = await layers.openFs(layers.containerRoot(source));
  return await withUserOfNumbers(session, spec);
}

/** Plans the start of a container by its runtime, from `checkpoint` where there is one. */
export async function planExternal(
  context: ContainerContext,
  record: ContainerRecord & { readonly external: ExternalRuntime; readonly cgroup: CgroupPlace },
  input: PlanInput,
  checkpoint?: string,
): Promise<ContainerPlan> {
  const log = startLog(context, record.id);
  await rm(log, { force: true });
  const { runtime } = runtimeContainer(context.paths, record.id, record.external);
  const command = probeCommand(checkOf(record.config)?.test ?? [], record.config.Shell);
  const { spec } = input;
  const probe = command === null ? undefined : execProcess(spec, { execId: "", args: command });
  const { parent, id, slice } = record.cgroup;
  const cgroupsPath =
    slice === undefined ? `${cleanCgroupPath(parent)}/${id}` : `${slice}:docker:${record.id}`;
  const linux = { ...spec.linux, cgroupsPath };
  return planExternalContainer({ ...input, spec: { ...spec, linux }, probe }, { runtime, log, checkpoint });
}

/** Plans the program of a health check, whose files are made with the bundle. */
export function planExternalProbe(container: RuntimeContainer, request: ExecRequest): ExecPlan {
  // What a runtime says of a failure goes to stderr as well, and from there into the check's result.
  const files = { dir: probeDir(container.stateDir), log: "/dev/null" };
  return planExternalExec(container, { ...execBasics(request), ...files });
}

const execBasics = (request: ExecRequest): Omit<ExecPlan, "ops"> => ({
  execId: request.execId,
  isTty: request.tty === true,
  hasStdin: request.hasStdin === true,
  rows: request.terminal?.rows ?? 0,
  columns: request.terminal?.columns ?? 0,
});

/** Runs `open` with the plan of an exec and removes the files of the call afterwards. Throws Fault with what the runtime says. */
export async function withExternalExec<T>(
  context: ContainerContext,
  record: ContainerRecord,
  container: RuntimeContainer,
  { spec, request }: { spec: OciSpec; request: ExecRequest },
  open: (plan: ExecPlan) => Promise<T>,
): Promise<T> {
  const dir = join(container.stateDir, `exec-${request.execId}`);
  const log = join(dir, RUNTIME_LOG);
  const process = await lookedUpLive(context, record, execProcess(spec, request));
  const forget = () => removeTree(dir);
  await mkdir(dir, { mode: 0o700 });
  try {
    await writeFile(join(dir, "process.json"), ociJson(plainProcess(process)), { mode: 0o600 });
    return await open(planExternalExec(container, { ...execBasics(request), dir, log }));
  } catch (error) {
    throw (await externalFailure(error, log)) ?? error;
  } finally {
    // Not waited for: the stream that was opened may end at once, and has to be listened to by then.
    context.inBackground(`remove ${dir}`, forget);
  }
}

async function lookedUpLive(
  context: ContainerContext,
  record: ContainerRecord,
  process: OciProcess,
): Promise<OciProcess> {
  await using session = await context.keel.openFs({ kind: "dir", path: `/proc/${record.state.pid}/root` });
  return await lookedUp(session, process);
}

/** Returns why a start has failed, when that was the runtime's doing; the error itself otherwise. */
export async function startFailure(context: ContainerContext, id: string, error: unknown): Promise<unknown> {
  return (await externalFailure(error, startLog(context, id))) ?? error;
}

export async function pauseExternal(
  { keel }: Pick<ContainerContext, "keel">,
  container: RuntimeContainer,
): Promise<void> {
  await callRuntime(keel, container, ["pause", container.id]);
}

export async function resumeExternal(
  { keel }: Pick<ContainerContext, "keel">,
  container: RuntimeContainer,
): Promise<void> {
  await callRuntime(keel, container, ["resume", container.id]);
}

/** Sends a signal to the container's first process, or to all of them. */
export async function killExternal(
  context: ContainerContext,
  container: RuntimeContainer,
  signal: number,
): Promise<void> {
  await callRuntime(context.keel, container, ["kill", container.id, String(signal)]);
}

export async function updateExternal(
  context: ContainerContext,
  container: RuntimeContainer,
  resources: OciResources,
): Promise<void> {
  await callRuntime(
    context.keel,
    container,
    ["update", "--resources", "-", container.id],
    JSON.stringify(resources),
  );
}

/** Returns the numbers of a container's processes. */
export async function listExternal(
  context: ContainerContext,
  container: RuntimeContainer,
): Promise<number[]> {
  const text = await callRuntime(context.keel, container, ["ps", "--format", "json", container.id]);
  let pids: unknown;
  try {
    pids = JSON.parse(text);
  } catch (error) {
    throw new Fault("system", "OCI runtime ps failed: its answer is not JSON: unknown", {
      code: "runtime.failed",
      cause: error,
    });
  }
  return Array.isArray(pids) ? pids.filter((pid) => Number.isInteger(pid)) : [];
}
