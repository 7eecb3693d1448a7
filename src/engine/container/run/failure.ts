// Why a container could not be started: the words and the exit code of it.
import { Fault, messageOf, SysError } from "../../../lib/errors.ts";
import { remedyOf } from "../../../linux/remedy.ts";
import { DEFAULT_PROFILE_NAME } from "../../../runtime/apparmor/profile.ts";

const ENOENT = 2;
const EACCES = 13;
const EXDEV = 18;
const ENOTDIR = 20;
const ENOEXEC = 8;

/** Returns the exit code that stands for a failed exec, as a shell would give it. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Fault && typeof error.detail["exitCode"] === "number") return error.detail["exitCode"];
  if (!(error instanceof SysError)) return 128;
  // compat: Docker goes by the words: a file that is not there is 127, also where it is no program
  if (error.op !== "exec") return /no such file or directory/i.test(error.text) ? 127 : 128;
  return error.errno === ENOENT || error.errno === ENOTDIR
    ? 127
    : error.errno === EACCES || error.errno === ENOEXEC
      ? 126
      : 128;
}

/** Returns the reason why a container could not be started, in Docker's words. */
export function startFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (!(error instanceof SysError)) return new Fault("system", messageOf(error), { cause: error });
  const known = knownReason(error);
  if (known !== undefined)
    return new Fault("system", known, { code: "container.start-failed", cause: error });
  // compat: clients look for runc's words to choose the exit codes 126 and 127; older ones know no directories.
  const what = error.op === "exec" ? error.text : `error during container init: ${initReason(error)}`;
  const also = error.op === "exec" && error.text.endsWith("is a directory") ? ": permission denied" : "";
  const kind = error.op === "exec" ? "invalidParameter" : "system";
  return new Fault(
    kind,
    `failed to create task for container: failed to create shim task: OCI runtime create failed: unable to start container process: ${what}: unknown${also}`,
    {
      code: "container.start-failed",
      detail: { op: error.op, path: error.path, errno: error.errno },
      cause: error,
    },
  );
}

/** The security module's refusal comes in runc's words, with the name of the profile or label. */
function initReason(error: SysError): string {
  if (error.op !== "execLabel") return goMessage(error);
  const profile = /^exec (.*)$/.exec(error.path)?.[1];
  if (profile === undefined)
    return `unable to apply selinux label ${JSON.stringify(error.path)}: ${error.text}`;
  return `unable to apply apparmor profile: apparmor failed to apply profile ${JSON.stringify(profile)}: ${error.text.toLowerCase()}`;
}

/** compat: Go writes errno texts in lower case, and clients look for "no such file or directory" to choose the exit code 127. */
function goMessage(error: SysError): string {
  const { op, path, text } = error;
  const reason = /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
  const remedy = remedyOf(error);
  const told = remedy === "" ? reason : `${reason} (${remedy})`;
  return path === "" ? `${op}: ${told}` : `${op} ${path}: ${told}`;
}

/** Whether the kernel has lost the default AppArmor profile: package upgrades are known to unload what they did not load. */
export function lacksDefaultProfile(error: unknown): boolean {
  return error instanceof SysError && error.errno === ENOENT && error.path === `exec ${DEFAULT_PROFILE_NAME}`;
}

/** compat: Docker finds these out itself before it asks the runtime: they come without the runtime's prefix. */
function knownReason(error: SysError): string | undefined {
  if (error.op === "credentials" && error.text !== "" && error.path === "") return error.text;
  // Paths below a volume are the only relative ones.
  if (error.op === "openat2" && !error.path.startsWith("/"))
    return error.errno === EXDEV
      ? `path concatenation escapes the base directory: ${error.path} ${error.text}`
      : `cannot access path ${error.path}: ${error.text.toLowerCase()}`;
  if (error.op === "chdir" && error.errno === ENOTDIR)
    return `Cannot mkdir: ${error.path} is not a directory`;
  return undefined;
}
