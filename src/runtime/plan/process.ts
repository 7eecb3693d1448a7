// What a process gets between its root and its program: limits, privileges, filter, user. Shared by a container's
// first process and by exec, so that the two cannot drift apart.

import { Fault } from "../../lib/errors.ts";
import { inner, type Op } from "../../linux/ops.ts";
import { planAppArmor } from "../apparmor/label.ts";
import { maskOfNames } from "../caps/sets.ts";
import { cachedSeccomp } from "../seccomp/cache.ts";
import { NEW_LISTENER } from "../seccomp/compile.ts";
import { listenerMessage } from "../seccomp/listener.ts";
import { planSelinux } from "../selinux/label.ts";
import type { OciCapabilities, OciProcess, OciSeccomp } from "../spec/oci.ts";
import { rlimitNumber, rlimitValue } from "../spec/rlimits.ts";

export interface PrivilegeContext {
  seccomp: OciSeccomp | undefined;
  /** Go's architecture name of this machine, for the filter. */
  arch: string;
  /** The container, as whoever listens to its filter is told of it. */
  container: ContainerIdentity;
}

export interface ContainerIdentity {
  id: string;
  /** Absolute directory of the bundle, "" where there is none. */
  bundle: string;
  annotations: Readonly<Record<string, string>>;
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
  const filter = context.seccomp ? [filterOp(context.seccomp, context)] : [];
  if (process.noNewPrivileges) return [...labels, inner.noNewPrivs(), credentials, ...filter];
  return [...labels, ...filter, credentials];
}

function filterOp(seccomp: OciSeccomp, context: PrivilegeContext): Op {
  const { program, flags } = cachedSeccomp(seccomp, context.arch);
  if (!(flags & NEW_LISTENER)) return inner.seccomp(program, flags);
  const parts = listenerMessage(seccomp, context.container);
  return inner.seccompNotify(program, flags, seccomp.listenerPath ?? "", parts);
}

/** Returns what of the capabilities the kernel will not give, in runc's words. */
export function capabilityWarnings(process: OciProcess): string[] {
  const { ambient = [], permitted = [], inheritable = [] } = process.capabilities ?? {};
  return ambient
    .filter((name) => !permitted.includes(name) || !inheritable.includes(name))
    .map((name) => `can't raise ambient capability ${name}: it is not both permitted and inheritable`);
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
  return inner.exec(args, lastOfEach(env));
}

/** Of variables that are there twice the last one counts, as for a shell; programs would take either. */
function lastOfEach(env: readonly string[]): readonly string[] {
  const byName = new Map(env.map((entry) => [entry.split("=", 1)[0], entry]));
  return byName.size === env.length ? env : [...byName.values()];
}
