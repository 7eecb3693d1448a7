// What the fields of a config.json mean together: the rules that runc's validator has, with its words where scripts look for them
// (runc libcontainer/configs/validate, specconv). Fields that this version of Berth does not carry out are refused in the
// planner, which knows. Returns the specification with what is only wrong in form put right: relative destinations,
// unknown capabilities.

import type { OciHook, OciMount, OciNamespaceType, OciSpec } from "../oci.ts";
import { checkLinux } from "./check-linux.ts";
import { checkProcess } from "./check-process.ts";
import type { BundleFacts } from "./facts.ts";
import { invalid } from "./shape.ts";

export { checkProcess } from "./check-process.ts";

export type Warn = (text: string) => void;

/** Returns the specification as the planner takes it. Throws Fault invalidParameter for the first contradiction. */
export function checkSpec(spec: OciSpec, facts: BundleFacts, warn: Warn): OciSpec {
  checkVersion(spec.ociVersion, warn);
  const owns = (type: OciNamespaceType) => spec.linux?.namespaces?.some((n) => n.type === type) === true;
  if (!spec.root) throw invalid("root", "root must be specified", "an object with a path");
  if (spec.root.path === "") throw invalid("root.path", "it is empty", "a path");
  if (!spec.process)
    throw invalid("process", "process property must not be empty", "an object with cwd and args");
  if (spec.linux) checkLinux(spec.linux, facts);
  for (const name of ["hostname", "domainname"] as const) {
    const value = spec[name] ?? "";
    if (value !== "" && !owns("uts"))
      throw invalid(name, `unable to set ${name} without a private UTS namespace`);
    if (Buffer.byteLength(value) > 64) throw invalid(name, "it is too long", "at most 64 bytes");
  }
  checkHooks(spec.hooks ?? {});
  if (Object.hasOwn(spec.annotations ?? {}, ""))
    throw invalid("annotations", "a key is empty", "texts with a letter");
  const mounts = spec.mounts?.map((mount, i) => checkedMount(mount, `mounts[${i}]`, warn));
  const process = checkProcess(spec.process, facts, warn);
  return { ...spec, process, ...(mounts ? { mounts } : {}) };
}

/** Newer minor versions only add fields, and what is not known of those is left out as extensions are. */
function checkVersion(version: string, warn: Warn): void {
  const match = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/.exec(version);
  if (!match)
    throw invalid("ociVersion", `${JSON.stringify(version)} is no semantic version`, "1.0.0 to 1.3.x");
  if (match[1] !== "1") throw invalid("ociVersion", `version ${version} is not supported`, "1.0.0 to 1.3.x");
  if (Number(match[2]) > 3)
    warn(`ociVersion ${version} is newer than 1.3: what that version added is ignored`);
}

function checkHooks(hooks: NonNullable<OciSpec["hooks"]>): void {
  for (const [name, list] of Object.entries(hooks) as [string, OciHook[]][])
    for (const [i, hook] of list.entries())
      if (!hook.path.startsWith("/"))
        throw invalid(
          `hooks.${name}[${i}].path`,
          `${JSON.stringify(hook.path)} is not absolute`,
          "an absolute path",
        );
}

function checkedMount(mount: OciMount, at: string, warn: Warn): OciMount {
  const { destination, options = [] } = mount;
  if (destination === "") throw invalid(`${at}.destination`, "it is empty", "a path in the container");
  const isMapped = options.some((option) => option === "idmap" || option === "ridmap");
  if ((mount.uidMappings === undefined) !== (mount.gidMappings === undefined))
    throw invalid(at, "id-mapped mounts must have both uid and gid mappings specified");
  if ((isMapped || mount.uidMappings) && !isBind(mount))
    throw invalid(at, "id-mapped mounts are only supported for bind-mounts");
  if (destination.startsWith("/")) return mount;
  // compat: the specification keeps relative ones for old tools
  warn(`mount destination ${destination} is not absolute: taken as relative to /, which is deprecated`);
  return { ...mount, destination: `/${destination}` };
}

const isBind = (mount: OciMount): boolean =>
  mount.type === "bind" || mount.options?.some((option) => option === "bind" || option === "rbind") === true;
