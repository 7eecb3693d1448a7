// A container, or a further process in one, that an external OCI runtime makes: the same shim, with other operations in the place of those
// that keel would perform itself (native/PROTOCOL.md "External runtimes").
//
//   host:   state directory, bundle, then the shim; what the runtime has made is deleted on failure
//   step:   propagation → root → working directory → bundle → its parts → runtime create → barrier → runtime start
//   end:    runtime delete, then the cgroups, should it have left them
//
// The runtime makes the cgroups; only their removal is planned here, for when it cannot do that any more.
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { type ExecPlan, host, inner, type Op } from "../../linux/ops.ts";
import { planTreePropagation } from "../plan/mounts.ts";
import type { ContainerPlan, PlanInput } from "../plan/input.ts";
import { planNamespaces } from "../plan/namespaces.ts";
import { planUserns } from "../plan/userns.ts";
import { shimOf, stateDirOps } from "../plan/plan.ts";
import type { OciProcess } from "../spec/oci.ts";
import {
  bundleDir,
  createArgv,
  deleteArgv,
  execArgv,
  type OciRuntime,
  restoreArgv,
  type RuntimeContainer,
  startArgv,
} from "./command.ts";
import { ociJson, plainProcess, planBundle } from "./config.ts";

/** How long a runtime may take to forget a container. */
const DELETE_MS = 30_000;

/** How a container comes to be. */
export interface ExternalStart {
  readonly runtime: OciRuntime;
  /** Where the runtime says why it fails. */
  readonly log: string;
  /** Images of criu's that the container is restored from. */
  readonly checkpoint?: string | undefined;
}

/** Plans a container; its process has a user of numbers. Throws as planContainer. */
export function planExternalContainer(
  input: PlanInput & { readonly probe?: OciProcess | undefined },
  { runtime, log, checkpoint }: ExternalStart,
): ContainerPlan {
  const { spec, stateDir } = input;
  if (planUserns(spec) !== undefined)
    throw new Fault(
      "notImplemented",
      "a container in a user namespace cannot have another runtime than Berth's own: use --userns=host, or no --runtime",
      { code: "container.external-userns" },
    );
  const container: RuntimeContainer = { runtime, id: input.id, stateDir };
  const dir = bundleDir(stateDir);
  const bundle = planBundle(spec, { ...input, dir, rootPath: input.rootTarget });
  const isTty = spec.process?.terminal === true;
  const forget = host.program(deleteArgv(container), runtime.env, "", DELETE_MS);
  const create =
    checkpoint === undefined
      ? createArgv(container, { log, isTty })
      : restoreArgv(container, { log, imageDir: checkpoint });
  const start = checkpoint === undefined ? startArgv(container, log) : []; // restored, it runs
  const ops: Op[] = [
    inner.rootPropagation(planTreePropagation(spec)),
    inner.root(input.root, input.rootTarget),
    // Not every runtime makes it.
    inner.chdir(spec.process?.cwd ?? "/", { create: true }),
    inner.bundle(dir, bundle.netnsFile),
    ...bundle.parts,
    inner.runtimeCreate(create, runtime.env),
    inner.barrier(),
    inner.runtimeStart(start, runtime.env),
  ];
  const shim = shimOf(input, planNamespaces(spec, input.netns), ops);
  return {
    hostOps: [
      ...stateDirOps(input),
      ...(input.cgroup?.remove ?? []).map((op) => host.onFailure(op)),
      host.onFailure(forget),
      host.mkdir(dir, 0o700),
      host.put(join(dir, "config.json"), bundle.config, 0o600),
      ...(input.probe === undefined ? [] : execFiles(probeDir(stateDir), input.probe)),
    ],
    shim: { ...shim, exitOps: [forget, ...shim.exitOps] },
    warnings: [],
  };
}

/** Where the files of the health check's program are. */
export const probeDir = (stateDir: string): string => join(stateDir, "probe");

/** Returns the operations that make the directory of an exec. */
export function execFiles(dir: string, process: OciProcess): Op[] {
  return [host.mkdir(dir, 0o700), host.put(join(dir, "process.json"), ociJson(plainProcess(process)), 0o600)];
}

/** Plans a further process, whose files are in `dir` by the time it is started. */
export function planExternalExec(
  container: RuntimeContainer,
  { dir, log, ...exec }: Omit<ExecPlan, "ops"> & { dir: string; log: string },
): ExecPlan {
  const argv = execArgv(container, { log, isTty: exec.isTty });
  return { ...exec, ops: [inner.bundle(dir), inner.runtimeExec(argv, container.runtime.env)] };
}
