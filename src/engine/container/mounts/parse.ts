// The mounts that a request asks for (`-v`, `--mount`, `--tmpfs`, `--volumes-from`), read and judged in Docker's words. Pure:
// what exists, on the host or as a volume, is asked elsewhere (resolve.ts).
import { posix } from "node:path";
import type { HostConfig, MountRequest } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { checkMountIdMap, OWNER } from "./idmap.ts";

/** A mount as asked for, before its source is looked at. */
export interface MountWish {
  readonly type: "bind" | "volume" | "tmpfs" | "image";
  readonly destination: string;
  /** Path, volume or image; "" for an anonymous volume and a tmpfs. */
  readonly source: string;
  readonly mode: string;
  readonly isReadonly: boolean;
  /** "" when nothing was said. */
  readonly propagation: string;
  readonly driver: string;
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly hasNoCopy: boolean;
  readonly subpath: string;
  readonly createsSource: boolean;
  readonly isNonRecursive: boolean;
  readonly isReadonlyNonRecursive: boolean;
  readonly isReadonlyForceRecursive: boolean;
  readonly tmpfsOptions: string;
  /** See idmap.ts; "" when nothing was said. */
  readonly idMap: string;
  /** From `-v`: its rules are older. */
  readonly isBindText: boolean;
}

const PROPAGATION = new Set(["private", "rprivate", "shared", "rshared", "slave", "rslave"]);
/** The kinds of words a mode may have, at most one of each. z and Z are for SELinux, consistency is for Mac: neither means anything here. */
const MODE_KINDS: readonly ReadonlySet<string>[] = [
  new Set(["rw", "ro"]),
  new Set(["z", "Z"]),
  PROPAGATION,
  new Set(["nocopy"]),
  new Set(["consistent", "cached", "delegated"]),
  new Set(["idmap"]),
];
const TMPFS_WORDS = new Set(["exec", "noexec"]);

const WISH: Omit<MountWish, "type" | "destination" | "source"> = {
  mode: "",
  isReadonly: false,
  propagation: "",
  driver: "",
  hasNoCopy: false,
  subpath: "",
  createsSource: false,
  isNonRecursive: false,
  isReadonlyNonRecursive: false,
  isReadonlyForceRecursive: false,
  tmpfsOptions: "",
  idMap: "",
  isBindText: false,
};

/** Returns whether a text is a mode: comma-separated words, at most one of each kind. */
export function isMode(mode: string): boolean {
  if (mode === "") return true;
  const kinds = mode
    .split(",")
    .map((word) => MODE_KINDS.findIndex((kind) => kind.has(word.replace(/^idmap=.*/, "idmap"))));
  return !kinds.includes(-1) && new Set(kinds).size === kinds.length;
}

/** Reads one text of `-v`. Fails with invalidParameter. */
export function parseBind(text: string, volumeDriver: string): MountWish {
  const parts = text.split(":");
  const [first = "", second = "", third = ""] = parts;
  if (first === "" || parts.length > 3 || (parts.length === 2 && isMode(second)))
    throw invalid(`invalid volume specification: '${text}'`);
  const mode = parts.length === 3 ? third : "";
  if (!isMode(mode)) throw invalid(`invalid mode: ${mode}`);
  const [source, target] = parts.length === 1 ? ["", first] : [first, second];
  const type = source.startsWith("/") ? "bind" : "volume";
  const words = mode === "" ? [] : mode.split(",");
  const propagation = words.find((w) => PROPAGATION.has(w)) ?? "";
  const hasNoCopy = words.includes("nocopy");
  const idMap = words.find((w) => /^idmap(=|$)/.test(w));
  try {
    // compat: the same words as for the API's mounts, of which this one would have had the options of the other type.
    if (hasNoCopy && type === "bind") throw extra(type, "VolumeOptions");
    if (propagation !== "" && type === "volume") throw extra(type, "BindOptions");
    checkTarget(type, target);
    if (idMap !== undefined) checkMountIdMap(idMap.slice(6) || OWNER);
  } catch (error) {
    throw invalid(`invalid volume specification: '${text}': ${(error as Fault).message}`);
  }
  return {
    ...WISH,
    type,
    source: type === "bind" ? cleanPath(source) : source,
    destination: cleanPath(target),
    mode,
    isReadonly: words.includes("ro"),
    propagation,
    driver: type === "volume" ? volumeDriver : "",
    hasNoCopy,
    createsSource: true,
    idMap: idMap === undefined ? "" : idMap.slice(6) || OWNER,
    isBindText: true,
  };
}

/** Reads one of the API's mounts. Fails with invalidParameter. */
export function parseMount(m: MountRequest): MountWish {
  const type = m.Type ?? "";
  checkExclusive(m, type);
  const target = m.Target ?? "";
  if (target === "") throw config(type, "field Target must not be empty");
  checkTarget(type, target);
  const common = { ...WISH, destination: cleanPath(target), isReadonly: m.ReadOnly ?? false };
  switch (type) {
    case "bind":
      return { ...common, type, ...bindParts(m) };
    case "volume":
      return { ...common, type, ...volumeParts(m) };
    case "tmpfs":
      if (m.Source) throw config(type, "field Source must not be specified");
      return { ...common, type, source: "", tmpfsOptions: tmpfsOptions(m) };
    case "image": {
      if (!m.Source) throw config(type, "field Source must not be empty");
      const subpath = m.ImageOptions?.Subpath ?? "";
      if (!isLocal(subpath)) throw config(type, "subpath must be a relative path within the volume");
      return { ...common, type, source: m.Source, subpath, isReadonly: true, propagation: "rprivate" };
    }
    default:
      throw config(type, "mount type unknown");
  }
}

function bindParts(
  m: MountRequest,
): Pick<
  MountWish,
  | "source"
  | "propagation"
  | "createsSource"
  | "isNonRecursive"
  | "isReadonlyNonRecursive"
  | "isReadonlyForceRecursive"
  | "idMap"
> {
  const source = m.Source ?? "";
  if (source === "") throw config("bind", "field Source must not be empty");
  const o = m.BindOptions ?? {};
  const propagation = o.Propagation ?? "";
  if (propagation !== "" && !PROPAGATION.has(propagation))
    throw config("bind", `invalid propagation mode: ${propagation}`);
  if (!source.startsWith("/"))
    throw config("bind", `invalid mount path: '${source}' mount path must be absolute`);
  const conflict = (what: string): Fault => invalid(`mount options conflict: ${what}`);
  if (!m.ReadOnly && o.ReadOnlyNonRecursive) throw conflict("!ReadOnly && BindOptions.ReadOnlyNonRecursive");
  if (!m.ReadOnly && o.ReadOnlyForceRecursive)
    throw conflict("!ReadOnly && BindOptions.ReadOnlyForceRecursive");
  if (o.ReadOnlyNonRecursive && o.ReadOnlyForceRecursive)
    throw conflict("ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive");
  return {
    source: cleanPath(source),
    propagation,
    createsSource: o.CreateMountpoint ?? false,
    isNonRecursive: o.NonRecursive ?? false,
    isReadonlyNonRecursive: o.ReadOnlyNonRecursive ?? false,
    isReadonlyForceRecursive: o.ReadOnlyForceRecursive ?? false,
    idMap: o.IDMap ? checkMountIdMap(o.IDMap) : "",
  };
}

function volumeParts(
  m: MountRequest,
): Pick<MountWish, "source" | "driver" | "driverOptions" | "labels" | "hasNoCopy" | "subpath" | "idMap"> {
  const o = m.VolumeOptions ?? {};
  const source = m.Source ?? "";
  const subpath = o.Subpath ?? "";
  if (subpath !== "" && source === "")
    throw config("volume", "must not set Subpath when using anonymous volumes");
  if (!isLocal(subpath)) throw config("volume", "subpath must be a relative path within the volume");
  return {
    source,
    driver: o.DriverConfig?.Name ?? "",
    ...(o.DriverConfig?.Options ? { driverOptions: o.DriverConfig.Options } : {}),
    ...(o.Labels ? { labels: o.Labels } : {}),
    hasNoCopy: o.NoCopy ?? false,
    subpath,
    idMap: o.IDMap ? checkMountIdMap(o.IDMap) : "",
  };
}

/** The options of a tmpfs mount as `--tmpfs` would have them; compat: only these two words are allowed. */
function tmpfsOptions(m: MountRequest): string {
  const o = m.TmpfsOptions ?? {};
  const words = (o.Options ?? []).map((pair) => {
    if (pair.length < 1 || pair.length > 2) throw config("tmpfs", "invalid option array length");
    if (!TMPFS_WORDS.has(pair[0] as string)) throw config("tmpfs", `invalid option: ${pair[0]}`);
    return pair.join("=");
  });
  return [
    ...(m.ReadOnly ? ["ro"] : []),
    ...(o.Mode ? [`mode=${o.Mode.toString(8)}`] : []),
    ...(o.SizeBytes ? [`size=${o.SizeBytes}`] : []),
    ...words,
  ].join(",");
}

/** Reads one `--volumes-from`. Fails with invalidParameter. */
export function parseVolumesFrom(text: string): { container: string; isReadonly: boolean } {
  if (text === "") throw invalid("volumes-from specification cannot be an empty string");
  const colon = text.indexOf(":");
  const mode = colon < 0 ? "" : text.slice(colon + 1);
  const words = mode.split(",");
  if (!isMode(mode) || words.some((w) => PROPAGATION.has(w) || w === "nocopy"))
    throw invalid(`invalid mode: ${mode}`);
  return { container: colon < 0 ? text : text.slice(0, colon), isReadonly: words.includes("ro") };
}

/** Returns the tmpfs mounts of `--tmpfs`, by destination. Fails with invalidParameter. */
export function parseTmpfs(tmpfs: HostConfig["Tmpfs"]): Map<string, string> {
  const mounts = new Map<string, string>();
  for (const [target, options] of Object.entries(tmpfs ?? {})) {
    if (posix.normalize(target) === "/") throw invalid("invalid specification: destination can't be '/'");
    if (!target.startsWith("/")) throw invalid(`invalid mount path: '${target}' mount path must be absolute`);
    mounts.set(cleanPath(target), options);
  }
  return mounts;
}

/** Go's path.Clean of an absolute path. */
export function cleanPath(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/$/, "");
}

function checkTarget(type: string, target: string): void {
  if (posix.normalize(target) === "/" || target === "")
    throw config(
      type,
      target === "" ? "field Target must not be empty" : "invalid specification: destination can't be '/'",
    );
  if (!target.startsWith("/"))
    throw config(type, `invalid mount path: '${target}' mount path must be absolute`);
  if (target.includes("\0")) throw config(type, "invalid mount path: it contains a NUL byte");
}

const OPTIONS = [
  ["bind", "BindOptions"],
  ["volume", "VolumeOptions"],
  ["image", "ImageOptions"],
  ["tmpfs", "TmpfsOptions"],
  ["cluster", "ClusterOptions"],
] as const;

function checkExclusive(m: MountRequest, type: string): void {
  for (const [of, field] of OPTIONS)
    if (type !== of && m[field] !== undefined && m[field] !== null) throw extra(type, field);
}

/** Go's filepath.IsLocal, and nothing at all. */
function isLocal(path: string): boolean {
  if (path === "") return true;
  const clean = posix.normalize(path);
  return !path.startsWith("/") && clean !== ".." && !clean.startsWith("../") && !path.includes("\0");
}

const extra = (type: string, field: string): Fault => config(type, `field ${field} must not be specified`);

function config(type: string, why: string): Fault {
  return invalid(`invalid mount config for type ${JSON.stringify(type)}: ${why}`);
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "mount.invalid" });
}
