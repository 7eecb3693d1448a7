// Docker's checks of a container's settings, with Docker's texts (moby verifyPlatformContainerSettings;
// limits are validate-resources.ts's). The engine calls validateSpecInput at create, generateSpec again at start, since
// machine and daemon may have changed between them. Contradictions are Fault invalidParameter; a limit that
// this machine cannot enforce is taken out of the result and told as a warning.

import { Fault } from "../../lib/errors.ts";
import { UNCONFINED } from "../apparmor/choose.ts";
import { containerCapabilities, hasBit } from "../caps/sets.ts";
import { capabilityNumber, DEFAULT_CAPABILITIES } from "../caps/names.ts";
import { type SpecHost, loadSpecHost } from "./host.ts";
import type { SpecInput, SpecResources, SpecUlimit } from "./input.ts";
import { checkSysctls } from "./sysctl.ts";
import type { OciNamespaceType } from "./oci.ts";
import { parseSecurityOpts, type SecurityOptions } from "./security-opts.ts";
import { rlimitOf } from "./rlimits.ts";
import { validateResources } from "./validate-resources.ts";

export interface Validated {
  /** What of the limits this machine can enforce. */
  limits: SpecResources;
  /** For the user: what was left out or weakened, and why. */
  warnings: string[];
}

/** Checks everything that does not need the container's files. */
export function validateSpecInput(
  input: Omit<SpecInput, "id" | "args" | "env">,
  host: SpecHost = loadSpecHost(),
): Validated {
  const warnings: string[] = [];
  const hostname = input.hostname ?? "";
  if (Buffer.byteLength(hostname) > 64) {
    throw invalid(`hostname ${JSON.stringify(hostname)} is too long (maximum 64 bytes)`);
  }
  if (input.cwd && !input.cwd.startsWith("/")) {
    throw invalid(`the working directory '${input.cwd}' is invalid, it needs to be an absolute path`);
  }
  const limits = validateResources(input.resources ?? {}, host, warnings);
  if ((input.shmSize ?? 0) < 0) throw invalid("SHM size can not be less than 0");
  const score = input.oomScoreAdj ?? 0;
  if (score < -1000 || score > 1000) {
    throw invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  }
  containerCapabilities(
    DEFAULT_CAPABILITIES,
    { add: input.capAdd ?? [], drop: input.capDrop ?? [] },
    host.boundingMask,
  );
  checkModules(parseSecurityOpts(input.securityOpts ?? []), host, warnings);
  for (const ulimit of input.ulimits ?? []) checkUlimit(ulimit, host, warnings);
  if (score < host.oomScoreAdj && !canRaiseLimits(host))
    warnings.push(
      `oom-score-adj ${score} is below the daemon's own and cannot be set without CAP_SYS_RESOURCE, ${host.oomScoreAdj} is used.`,
    );
  checkSysctls(input.sysctls ?? {}, (type) => isHostMode(input.namespaces ?? {}, type));
  for (const tmpfs of input.tmpfs ?? []) {
    if (!tmpfs.destination.startsWith("/")) {
      throw invalid(`invalid mount path: '${tmpfs.destination}' mount path must be absolute`);
    }
    if (tmpfs.destination === "/") throw invalid("invalid specification: destination can't be '/'");
  }
  return { limits, warnings };
}

/**
 * compat: a module that the kernel has not, and SELinux where the daemon does not use it, are no reason for a refusal; but who asks for a
 * profile or a label shall know that it is not applied.
 */
function checkModules(security: SecurityOptions, host: SpecHost, warnings: string[]): void {
  const profile = security.apparmorProfile ?? "";
  const labels = security.labels.filter((label) => label !== "disable");
  if (!host.hasAppArmor && profile !== "" && profile !== UNCONFINED)
    warnings.push(`AppArmor is not enabled on this machine: the profile "${profile}" is not applied.`);
  if (labels.length === 0) return;
  const why = host.hasSelinux ? "not used by this daemon" : "not enabled on this machine";
  warnings.push(`SELinux is ${why}: the label "${labels.join(",")}" is not applied.`);
}

/** A user namespace is the daemon's own unless one is asked for; all others are the container's. */
function isHostMode(modes: NonNullable<SpecInput["namespaces"]>, type: OciNamespaceType): boolean {
  if (type === "user") return modes.user?.kind !== "path";
  return modes[MODE_OF[type] ?? "net"]?.kind === "host";
}

const MODE_OF: { readonly [T in OciNamespaceType]?: "net" | "ipc" | "uts" } = {
  network: "net",
  ipc: "ipc",
  uts: "uts",
};

/** Whether this daemon may give its children more than it has itself. */
export const canRaiseLimits = (host: SpecHost) =>
  hasBit(host.boundingMask, capabilityNumber("CAP_SYS_RESOURCE") ?? -1);

/** Where the daemon may not raise a hard limit keel keeps the one there is: whoever asked for more shall know. */
function checkUlimit(ulimit: SpecUlimit, host: SpecHost, warnings: string[]): void {
  const { type, hard } = rlimitOf(ulimit);
  const most = host.hardLimit(type);
  if (hard <= most || canRaiseLimits(host)) return;
  warnings.push(
    `ulimit ${ulimit.name}: the hard limit cannot be raised above ${most} without CAP_SYS_RESOURCE, ${most} is used.`,
  );
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-config" });
}
