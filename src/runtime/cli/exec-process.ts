// The process that `exec` describes by its flags: the container's own with what they change. Pure.

import { Fault } from "../../lib/errors.ts";
import type { OciCapabilities, OciProcess } from "../spec/oci.ts";
import type { ContainerState } from "./life/store.ts";

/** The flags of `exec` that are about the process. */
export interface ProcessFlags {
  cwd: string;
  env: readonly string[];
  tty: boolean;
  user: string;
  "additional-gids": readonly string[];
  "process-label": string;
  apparmor: string;
  "no-new-privs": boolean;
  cap: readonly string[];
}

/** Returns the process. Throws Fault invalidParameter for what no process can be made of. */
export function processOf(
  { spec }: Pick<ContainerState, "spec">,
  flags: ProcessFlags,
  args: readonly string[],
): OciProcess {
  const own = spec.process;
  if (!own) throw invalid("process property must not be empty");
  if (args.length === 0) throw invalid("exec args cannot be empty");
  if (flags.cwd !== "" && !flags.cwd.startsWith("/")) throw invalid("Cwd must be an absolute path");
  const { terminal: _, consoleSize: __, ...rest } = own;
  return {
    ...rest,
    args: [...args],
    cwd: flags.cwd || own.cwd,
    env: [...(own.env ?? []), ...flags.env],
    terminal: flags.tty,
    user: userOf(own.user, flags),
    ...(flags.cap.length > 0 ? { capabilities: withCapabilities(own.capabilities, flags.cap) } : {}),
    ...(flags["no-new-privs"] ? { noNewPrivileges: true } : {}),
    ...(flags.apparmor === "" ? {} : { apparmorProfile: flags.apparmor }),
    ...(flags["process-label"] === "" ? {} : { selinuxLabel: flags["process-label"] }),
  };
}

function userOf(own: OciProcess["user"], flags: ProcessFlags): OciProcess["user"] {
  const [uid, gid] = flags.user.split(":");
  const added = flags["additional-gids"].map((text) =>
    idOf(text, "additional-gids must be a positive number"),
  );
  return {
    ...own,
    ...(uid ? { uid: idOf(uid, "bad uid:") } : {}),
    ...(gid === undefined ? {} : { gid: idOf(gid, "bad gid:") }),
    ...(added.length > 0 ? { additionalGids: [...(own.additionalGids ?? []), ...added] } : {}),
  };
}

function idOf(text: string, complaint: string): number {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(id <= 0xffff_ffff)) throw invalid(`${complaint} ${text}`);
  return id;
}

/** compat: ambient ones only where there are inheritable ones already, since without them the kernel would refuse. */
function withCapabilities(own: OciCapabilities = {}, added: readonly string[]): OciCapabilities {
  const plus = (names: readonly string[] | undefined) => [...(names ?? []), ...added];
  return {
    ...own,
    bounding: plus(own.bounding),
    effective: plus(own.effective),
    permitted: plus(own.permitted),
    ...(own.inheritable ? { ambient: plus(own.ambient) } : {}),
  };
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "exec.invalid-request" });
}
