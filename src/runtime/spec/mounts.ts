// The mounts of a specification: Docker's defaults, minus what the user mounts himself, plus binds, volumes, tmpfs
// and the three files in /etc; sorted so that a parent comes before what is mounted into it.

import { posix } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { mountOptionKey, MS, propagationFlags, SUBDIR_OPTION } from "../../linux/mount-flags.ts";
import { DEFAULT_SHM_SIZE, defaultMounts, INIT_DESTINATION } from "./defaults.ts";
import type { SpecHost } from "./host.ts";
import { idMappings } from "./id-mappings.ts";
import type { SpecBind, SpecImage, SpecInput, SpecTmpfs } from "./input.ts";
import type { OciMount } from "./oci.ts";
import { isProcFile } from "./proc-files.ts";

/** The mounts and the propagation that they demand of the root ("" for none). */
export interface MountSet {
  mounts: OciMount[];
  rootfsPropagation: string;
}

/** Decides on all mounts. Throws Fault invalidParameter for options that contradict each other. */
export function generateMounts(
  input: SpecInput,
  options: { hasWritableCgroups: boolean },
  host: SpecHost,
): MountSet {
  const user = sortByDepth<SpecBind | SpecImage | SpecTmpfs>([
    ...userBinds(input).map(cleanDestination),
    ...(input.images ?? []).map(cleanDestination),
    ...(input.tmpfs ?? []).map(cleanDestination),
  ]);
  for (const mount of user) checkProc(mount, host);
  const taken = new Set(user.map((m) => m.destination));
  const mounts = keptDefaults(input, taken, host);
  let rootfsPropagation = "";
  for (const mount of user) {
    if ("layers" in mount) mounts.push(imageMount(mount));
    else if ("source" in mount) {
      const bind = settledPropagation(mount, host);
      mounts.push(bindMount(bind));
      rootfsPropagation = demandedPropagation(bind, rootfsPropagation, host);
    } else mounts.push(tmpfsMount(mount));
  }
  if (input.readonlyRootfs) makeReadonly(mounts, taken);
  if (input.privileged) setWritable(mounts, (m) => m.destination === "/sys");
  if (options.hasWritableCgroups) setWritable(mounts, (m) => m.type === "cgroup");
  return { mounts, rootfsPropagation };
}

function cleanDestination<T extends { destination: string }>(mount: T): T {
  if (!mount.destination.startsWith("/")) {
    throw invalid(`invalid mount path: '${mount.destination}' mount path must be absolute`);
  }
  const destination = posix.normalize(mount.destination).replace(/(?<=.)\/$/, "");
  if (destination === "/") throw invalid("invalid specification: destination can't be '/'");
  return { ...mount, destination };
}

/** compat: /proc is a procfs, and only some of its files may be something else. */
function checkProc(mount: SpecBind | SpecImage | SpecTmpfs, host: SpecHost): void {
  const { destination: at } = mount;
  const source = "source" in mount ? mount.source : undefined;
  // Only here is the source looked at: it may be on a file system that does not answer.
  const isProcfs = (): boolean => source !== undefined && host.mountOf(source)?.fstype === "proc";
  if (at === "/proc" && !isProcfs())
    throw invalid(`"${at}" cannot be mounted because it is not of type proc`);
  if (at.startsWith("/proc/") && !isProcFile(at))
    throw invalid(`"${at}" cannot be mounted because it is inside /proc`);
}

/** Fewer path parts first; equal depth keeps the order, so the later of two at one place hides the earlier. */
function sortByDepth<T extends { destination: string }>(mounts: T[]): T[] {
  const depth = (m: T) => m.destination.split("/").length;
  return mounts.sort((a, b) => depth(a) - depth(b));
}

function userBinds(input: SpecInput): SpecBind[] {
  const binds = [...(input.binds ?? [])];
  const taken = new Set(binds.map((b) => posix.normalize(b.destination)));
  const files = [
    ["/etc/resolv.conf", input.etcFiles?.resolvConf],
    ["/etc/hostname", input.etcFiles?.hostname],
    ["/etc/hosts", input.etcFiles?.hosts],
  ] as const;
  for (const [destination, source] of files) {
    // a user's own bind at this place counts instead
    if (source === undefined || taken.has(destination)) continue;
    binds.push({ source, destination, readonly: input.readonlyRootfs === true, readonlyNonRecursive: true });
  }
  if (input.namespaces?.ipc?.kind === "host" && !taken.has("/dev/shm"))
    binds.push({ source: "/dev/shm", destination: "/dev/shm" });
  return binds;
}

function keptDefaults(input: SpecInput, taken: ReadonlySet<string>, host: SpecHost): OciMount[] {
  const all = defaultMounts();
  if (input.initPath !== undefined && hasOwnInit(input)) {
    all.push({
      destination: INIT_DESTINATION,
      type: "bind",
      source: input.initPath,
      options: ["bind", "ro"],
    });
  }
  return all.filter((mount) => {
    if (taken.has(mount.destination)) return false;
    // A machine, or an ordinary user, without cgroups has nothing to show there.
    if (mount.type === "cgroup" && host.cgroups.mode === "none") return false;
    if (taken.has("/dev") && mount.destination.startsWith("/dev/")) return false;
    if (mount.destination !== "/dev/shm") return true;
    // Whoever joins another's ipc namespace gets that one's (PlanInput.sharedShm).
    if (input.namespaces?.ipc?.kind === "none" || input.namespaces?.ipc?.kind === "path") return false;
    mount.options?.push(`size=${input.shmSize || DEFAULT_SHM_SIZE}`);
    return true;
  });
}

/** An init program makes sense only as process 1 of an own pid namespace. */
export function hasOwnInit(input: SpecInput): boolean {
  return input.initPath !== undefined && (input.namespaces?.pid?.kind ?? "private") === "private";
}

function bindMount(bind: SpecBind): OciMount {
  const options = [bind.nonRecursive ? "bind" : "rbind"];
  if (bind.readonly) options.push(bind.readonlyNonRecursive ? "ro" : "rro");
  const propagation = bind.propagation || "rprivate";
  if (propagationFlags(propagation) === undefined || propagation.endsWith("unbindable")) {
    throw invalid(`invalid propagation config: ${propagation}`);
  }
  const { idMap } = bind;
  const isIdMapped = bind.isIdMapped || idMap !== undefined;
  options.push(propagation, ...subdirOption(bind.subpath), ...(isIdMapped ? ["idmap"] : []));
  return {
    destination: bind.destination,
    type: "bind",
    source: bind.source,
    options,
    ...(idMap === undefined ? {} : idMappings(idMap)),
  };
}

/** An overlay of the image's layers without a place to write. */
function imageMount(image: SpecImage): OciMount {
  const lower = `lowerdir=${image.layers.map((l) => l.replace(/[\\:,]/g, "\\$&")).join(":")}`;
  if (Buffer.byteLength(lower) >= MOUNT_DATA_BYTES)
    throw invalid(`the image for ${image.destination} has too many layers to be mounted`);
  const more = image.options ? image.options.split(",") : [];
  const options = ["ro", lower, ...more, ...subdirOption(image.subpath)];
  return { destination: image.destination, type: "overlay", source: "overlay", options };
}

/** mount(2) takes one page of options. */
const MOUNT_DATA_BYTES = 4096;

const subdirOption = (subpath: string | undefined): string[] =>
  subpath ? [`${SUBDIR_OPTION}${subpath}`] : [];

function tmpfsMount(tmpfs: SpecTmpfs): OciMount {
  const given = tmpfs.options ? tmpfs.options.split(",") : [];
  const options = mergeTmpfsOptions(["noexec", "nosuid", "nodev", "rprivate", ...given]);
  return { destination: tmpfs.destination, type: "tmpfs", source: "tmpfs", options };
}

const TMPFS_DATA = new Set(["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"]);

/** Keeps the last of contradicting options (`noexec` … `exec`, two sizes). Throws for what tmpfs does not know. */
export function mergeTmpfsOptions(options: readonly string[]): string[] {
  const merged = new Map<number | string, string>();
  for (const option of options) {
    if (option === "defaults") continue;
    const flag = mountOptionKey(option);
    const key = flag || option.split("=", 1)[0] || "";
    if (typeof key === "string" && (!option.includes("=") || !TMPFS_DATA.has(key))) {
      const [name, ...value] = option.split("=");
      const parts = value.length === 0 ? [name] : [name, value.join("=")];
      throw invalid(`invalid tmpfs option [${parts.map((p) => JSON.stringify(p)).join(" ")}]`);
    }
    merged.delete(key); // the last mention decides on the place, too
    merged.set(key, option);
  }
  return [...merged.values()];
}

/** A propagation that is only a wish becomes private where the source's mount has none. */
function settledPropagation(bind: SpecBind, host: SpecHost): SpecBind {
  if (!bind.isPropagationOptional) return bind;
  const propagates = /(^| )(shared|master):/.test(host.mountOf(bind.source)?.optional ?? "");
  return propagates ? bind : { ...bind, propagation: "rprivate" };
}

/** A shared or slave bind needs a source mount that propagates, and a root that lets it through. */
function demandedPropagation(bind: SpecBind, present: string, host: SpecHost): string {
  const flags = propagationFlags(bind.propagation || "rprivate") ?? 0;
  if (!(flags & (MS.SHARED | MS.SLAVE))) return present;
  const mount = host.mountOf(bind.source);
  const isShared = /(^| )shared:/.test(mount?.optional ?? "");
  const isSlave = /(^| )master:/.test(mount?.optional ?? "");
  const where = `path ${bind.source} is mounted on ${mount?.mountpoint ?? "/"} but it is not a shared`;
  if (flags & MS.SHARED) {
    if (!isShared) throw invalid(`${where} mount`);
    return present === "rshared" ? present : "shared";
  }
  if (!isShared && !isSlave) throw invalid(`${where} or slave mount`);
  return present === "" ? "rslave" : present;
}

const WRITABLE_IN_READONLY = new Set(["/proc", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"]);

function makeReadonly(mounts: readonly OciMount[], taken: ReadonlySet<string>): void {
  for (const mount of mounts) {
    if (WRITABLE_IN_READONLY.has(mount.destination) || taken.has(mount.destination)) continue;
    if (!mount.options?.includes("ro")) mount.options?.push("ro");
  }
}

function setWritable(mounts: readonly OciMount[], matches: (mount: OciMount) => boolean): void {
  for (const mount of mounts) {
    if (matches(mount)) mount.options = mount.options?.filter((option) => option !== "ro") ?? [];
  }
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.invalid-mount" });
}
