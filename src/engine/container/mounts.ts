// The mounts that a container asks for (`-v`, `--mount`, `--tmpfs`), checked and turned into the runtime's words.
// Named volumes are not here yet: asking for one is an error, never ignored.
import type { MountPoint } from "../../api/schemas/container.ts";
import type { HostConfig } from "../../api/schemas/host-config.ts";
import { Fault } from "../../lib/errors.ts";
import type { SpecBind, SpecTmpfs } from "../../runtime/spec/input.ts";

/** A bind mount with what is needed beyond mounting it. */
export interface BindWish extends SpecBind {
  /** `-v` makes a missing source directory, `--mount` refuses. */
  createsSource: boolean;
  /** The mode as written, for inspect. */
  mode: string;
}

export interface MountWishes {
  binds: BindWish[];
  tmpfs: SpecTmpfs[];
}

const PROPAGATION = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
/** Accepted for Docker's sake and without meaning here: consistency is for Mac, z and Z for SELinux, which is not used. */
const WITHOUT_MEANING = ["consistent", "cached", "delegated", "z", "Z", "nocopy", "rw", ""];

const refuse = (message: string): never => {
  throw new Fault("invalidParameter", message, { code: "mount.invalid" });
};

/** Returns the mounts of a host configuration. Fails with invalidParameter or notImplemented. */
export function mountsOf(hostConfig: Pick<HostConfig, "Binds" | "Mounts" | "Tmpfs">): MountWishes {
  const wishes: MountWishes = { binds: (hostConfig.Binds ?? []).map(parseBind), tmpfs: [] };
  for (const m of hostConfig.Mounts ?? []) addMount(m, wishes);
  for (const [destination, options] of Object.entries(hostConfig.Tmpfs ?? {})) {
    checkDestination(destination, destination);
    wishes.tmpfs.push({ destination, options });
  }
  const seen = new Set<string>();
  for (const { destination } of [...wishes.binds, ...wishes.tmpfs]) {
    if (seen.has(destination)) refuse(`Duplicate mount point: ${destination}`);
    seen.add(destination);
  }
  return wishes;
}

function checkDestination(destination: string, whole: string): void {
  if (!destination.startsWith("/"))
    refuse(
      `invalid volume specification: '${whole}': invalid mount config for type "bind": invalid mount path: '${destination}' mount path must be absolute`,
    );
  if (/^\/+$/.test(destination) || destination.split("/").includes(".."))
    refuse(`invalid volume specification: '${whole}': invalid mount config: destination can't be '/'`);
}

function notYet(what: string): never {
  throw new Fault("notImplemented", `${what} is not supported by this version`, {
    code: "volume.unsupported",
  });
}

function parseBind(text: string): BindWish {
  const parts = text.split(":");
  if (parts.length < 2 || parts.length > 3 || parts.includes(""))
    refuse(`invalid volume specification: '${text}'`);
  const [source, destination, mode = ""] = parts as [string, string, string?];
  checkDestination(destination, text);
  if (!source.startsWith("/")) notYet(`the named volume "${source}"`);
  const bind: BindWish = { source, destination: clean(destination), createsSource: true, mode };
  for (const word of mode.split(",")) {
    if (word === "ro") bind.readonly = true;
    else if (PROPAGATION.includes(word)) bind.propagation = word;
    else if (!WITHOUT_MEANING.includes(word)) refuse(`invalid mode: ${mode}`);
  }
  return bind;
}

const clean = (path: string): string => path.replace(/\/+/g, "/").replace(/(.)\/$/, "$1");

function addMount(m: NonNullable<HostConfig["Mounts"]>[number], wishes: MountWishes): void {
  const destination = m.Target ?? "";
  if (destination === "") refuse(`invalid mount config for type "${m.Type}": field Target must not be empty`);
  checkDestination(destination, destination);
  if (m.Type === "tmpfs") {
    const { SizeBytes: size, Mode: mode } = m.TmpfsOptions ?? {};
    const options = [
      ...(m.ReadOnly ? ["ro"] : []),
      ...(size ? [`size=${size}`] : []),
      ...(mode ? [`mode=${mode.toString(8)}`] : []),
      ...(m.TmpfsOptions?.Options ?? []).map((o) => o.join("=")),
    ];
    wishes.tmpfs.push({ destination, options: options.join(",") });
    return;
  }
  if (m.Type !== "bind") notYet(`a mount of type "${m.Type}"`);
  const source = m.Source ?? "";
  if (!source.startsWith("/"))
    refuse(
      `invalid mount config for type "bind": invalid mount path: '${source}' mount path must be absolute`,
    );
  const options = m.BindOptions;
  if (options?.Propagation && !PROPAGATION.includes(options.Propagation))
    refuse(`invalid propagation mode: ${options.Propagation}`);
  wishes.binds.push({
    source,
    destination: clean(destination),
    createsSource: options?.CreateMountpoint ?? false,
    mode: "",
    ...(m.ReadOnly ? { readonly: true } : {}),
    ...(options?.Propagation ? { propagation: options.Propagation } : {}),
    ...(options?.NonRecursive ? { nonRecursive: true } : {}),
    ...(options?.ReadOnlyNonRecursive ? { readonlyNonRecursive: true } : {}),
  });
}

/** Returns the mounts as `inspect` and `ps` show them. */
export function mountPoints(hostConfig: HostConfig): MountPoint[] {
  return mountsOf(hostConfig).binds.map((b) => ({
    Type: "bind",
    Source: b.source,
    Destination: b.destination,
    Mode: b.mode,
    RW: !b.readonly,
    Propagation: b.propagation ?? "rprivate",
  }));
}
