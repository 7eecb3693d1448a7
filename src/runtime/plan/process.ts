// What a process gets between its root and its program: limits, privileges, filter, user. Shared by a container's
// first process and by exec, so that the two cannot drift apart.

import { Fault } from "../../lib/errors.ts";
import { inner, type Op } from "../../linux/ops.ts";
import { planAppArmor } from "../apparmor/label.ts";
import { maskOfNames } from "../caps/sets.ts";
import { cachedSeccomp } from "../seccomp/cache.ts";
import { planSelinux } from "../selinux/label.ts";
import type { OciCapabilities, OciProcess, OciSeccomp } from "../spec/oci.ts";
import { rlimitNumber, rlimitValue } from "../spec/rlimits.ts";

/** Go's architecture name of this machine, for the filter. */
export interface PrivilegeContext {
  seccomp: OciSeccomp | undefined;
  arch: string;
}

/** Returns the rlimit operations. */
export function planRlimits(process: OciProcess): Op[] {
  return (process.rlimits ?? []).map((r) =>
    inner.rlimit(rlimitNumber(r.type), rlimitValue(r.soft), rlimitValue(r.hard)),
  );
}

/**
 * Returns the operations that give up privileges, ending with the ones of the user. The filter's place is runc's: without
 * no_new_privs installing it takes CAP_SYS_ADMIN, so it comes before the capabilities go; with it, as late as
 * possible, so that a profile need not allow what the setup itself calls.
 */
export function planPrivileges(process: OciProcess, context: PrivilegeContext): Op[] {
  const labels = [...planAppArmor(process), ...planSelinux(process)];
  const credentials = inner.credentials(
    userText(process),
    [...(process.user.additionalGids ?? []).map(String), ...(process.user.additionalGroups ?? [])],
    masksOf(process.capabilities ?? {}),
  );
  const filter: Op[] = [];
  if (context.seccomp) {
    const { program, flags } = cachedSeccomp(context.seccomp, context.arch);
    filter.push(inner.seccomp(program, flags));
  }
  if (process.noNewPrivileges) return [...labels, inner.noNewPrivs(), credentials, ...filter];
  return [...labels, ...filter, credentials];
}

function userText(process: OciProcess): string {
  return process.user.username ?? `${process.user.uid}:${process.user.gid}`;
}

function masksOf(c: OciCapabilities): Parameters<typeof inner.credentials>[2] {
  return {
    bounding: maskOfNames(c.bounding ?? []),
    effective: maskOfNames(c.effective ?? []),
    permitted: maskOfNames(c.permitted ?? []),
    inheritable: maskOfNames(c.inheritable ?? []),
    ambient: maskOfNames(c.ambient ?? []),
  };
}

/** Returns the exec operation. Throws Fault invalidParameter for no program and for texts that cannot be passed on. */
export function planProgram(args: readonly string[], env: readonly string[]): Op {
  if (args.length === 0 || args[0] === "") {
    throw new Fault("invalidParameter", "no command specified", { code: "container.no-command" });
  }
  for (const text of [...args, ...env]) {
    if (text.includes("\0")) {
      throw new Fault("invalidParameter", "arguments and environment must not contain NUL", {
        code: "container.invalid-argument",
      });
    }
  }
  return inner.exec(args, env);
}

/** Names of what a process description asks for and keel does not do. */
export function unsupportedOf(process: OciProcess): string[] {
  const asked: [name: string, isAsked: boolean][] = [
    ["process.scheduler", process.scheduler !== undefined],
    ["process.ioPriority", process.ioPriority !== undefined],
    ["process.execCPUAffinity", process.execCPUAffinity !== undefined],
  ];
  return asked.filter(([, isAsked]) => isAsked).map(([name]) => name);
}
