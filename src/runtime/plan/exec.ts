// A further process in a running container: the same privileges, filter and limits as its first one, with what the
// request changes. The shim joins namespaces and cgroups; the plan starts after that.

import { Fault } from "../../lib/errors.ts";
import { type ExecPlan, inner } from "../../linux/ops.ts";
import { namesOfMask } from "../caps/sets.ts";
import { mergeEnv } from "../spec/generate.ts";
import { goArch, loadSpecHost } from "../spec/host.ts";
import type { OciProcess, OciSpec } from "../spec/oci.ts";
import type { ExecRequest } from "./input.ts";
import { planAttributes, planExecAffinity } from "./attributes.ts";
import { type ContainerIdentity, planPrivileges, planProgram, planRlimits } from "./process.ts";

/**
 * Plans an exec. `spec` is the container's, `available` the daemon's bounding set, which a privileged exec gets whole.
 * Throws Fault invalidParameter for a working directory that is not absolute and for an empty command.
 */
export function planExec(
  spec: OciSpec,
  request: ExecRequest,
  available = loadSpecHost().boundingMask,
): ExecPlan {
  const { execId, hasStdin, terminal } = request;
  return planExecProcess(spec, execProcess(spec, request, available), {
    execId,
    ...(hasStdin === undefined ? {} : { hasStdin }),
    ...(terminal === undefined ? {} : { terminal }),
    isTty: request.tty === true,
  });
}

/** How a further process is connected, besides what its description says. */
export interface ExecSetting {
  execId: string;
  isTty: boolean;
  hasStdin?: boolean;
  terminal?: { rows: number; columns: number };
  /** The container, for whoever listens to its filter; absent: what its specification says. */
  container?: ContainerIdentity;
}

/** Plans a further process that is wholly described, as `exec --process` of OCI runtimes has it. */
export function planExecProcess(spec: OciSpec, process: OciProcess, setting: ExecSetting): ExecPlan {
  const id = containerIdOf(spec) ?? setting.execId;
  const container = setting.container ?? { id, bundle: "", annotations: spec.annotations ?? {} };
  return {
    execId: setting.execId,
    isTty: setting.isTty,
    hasStdin: setting.hasStdin === true,
    rows: setting.terminal?.rows ?? 0,
    columns: setting.terminal?.columns ?? 0,
    ops: [
      ...planRlimits(process),
      ...(process.oomScoreAdj === undefined ? [] : [inner.oomScoreAdj(process.oomScoreAdj)]),
      ...planExecAffinity(process),
      ...planAttributes(process, spec.linux ?? {}),
      inner.keyring(`_ses.${id}`),
      inner.umask(process.user.umask ?? 0o022),
      inner.chdir(process.cwd, { create: false }),
      ...planPrivileges(process, {
        seccomp: spec.linux?.seccomp,
        arch: goArch(globalThis.process.arch),
        container,
      }),
      planProgram(process.args ?? [], process.env ?? []),
    ],
  };
}

/** The container's keyring has its id in its name, as the cgroup has: an exec must not keep the daemon's keyring. */
function containerIdOf(spec: OciSpec): string | undefined {
  return spec.linux?.cgroupsPath?.split("/").at(-1) || undefined;
}

/** Returns the process of an exec: the container's own, with what the request changes. Throws as planExec. */
export function execProcess(
  spec: OciSpec,
  request: ExecRequest,
  available = loadSpecHost().boundingMask,
): OciProcess {
  const own = spec.process;
  if (!own) throw invalid("the specification has no process");
  if (request.cwd && !request.cwd.startsWith("/")) {
    throw invalid(`Cwd must be an absolute path: ${request.cwd}`);
  }
  const { umask, additionalGroups } = own.user;
  const all = namesOfMask(available);
  const { consoleSize: _size, ...kept } = own;
  return {
    ...kept,
    terminal: request.tty === true,
    args: [...request.args],
    // compat: a terminal brings TERM along, whether the container's own process has one or not
    env: mergeEnv(request.tty ? mergeEnv(["TERM=xterm"], own.env ?? []) : (own.env ?? []), request.env ?? []),
    cwd: request.cwd || own.cwd,
    user: request.user
      ? {
          uid: 0,
          gid: 0,
          username: request.user,
          ...(umask === undefined ? {} : { umask }),
          ...(additionalGroups === undefined ? {} : { additionalGroups }),
        }
      : own.user,
    ...(request.isPrivileged ? { capabilities: { bounding: all, effective: all, permitted: all } } : {}),
  };
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "exec.invalid-request" });
}
