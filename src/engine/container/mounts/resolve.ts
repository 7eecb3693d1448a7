// Decides which mounts a new container gets, in Docker's order: those of other containers (`--volumes-from`), then `-v`, then
// `--mount`, then the volumes of its image and configuration where nothing is mounted yet. Volumes are made on the way and
// pinned until the container is recorded; what fails takes the anonymous ones with it.
import { lchown, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { ContainerConfig } from "../../../api/schemas/container.ts";
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault, messageOf } from "../../../lib/errors.ts";
import { type IdMap, type Owner, outsideRoot } from "../../../linux/idmap.ts";
import type { VolumeRecord } from "../../volume/record.ts";
import type { ContainerContext } from "../context.ts";
import { cleanPath, type MountWish, parseBind, parseMount, parseTmpfs, parseVolumesFrom } from "./parse.ts";
import type { MountRecord } from "./record.ts";
import { ownerOfSource } from "./source.ts";

type Context = Pick<ContainerContext, "keel" | "table" | "images" | "volumes" | "paths" | "log">;

export interface ResolveRequest {
  readonly id: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** compat: before API 1.44 "read-only" was meant for a mount alone, not for those below it. */
  readonly isReadonlyShallow: boolean;
}

/** The mounts of a container in the making. Disposing ends the pins; `abandon` also removes the volumes made for it alone. */
export interface ResolvedMounts extends Disposable {
  readonly mounts: readonly MountRecord[];
  /** Names of the anonymous volumes that were made. */
  readonly pending: readonly string[];
  abandon(): Promise<void>;
}

/** Resolves them. Fails with invalidParameter, conflict, and with what volume drivers say. */
export async function resolveMounts(context: Context, request: ResolveRequest): Promise<ResolvedMounts> {
  const resolver = new Resolver(context, request);
  try {
    await resolver.run();
    return resolver;
  } catch (error) {
    await resolver.abandon();
    throw asParameter(error);
  }
}

class Resolver implements ResolvedMounts {
  readonly #context: Context;
  readonly #request: ResolveRequest;
  readonly #mounts = new Map<string, MountRecord>();
  readonly #pins: Disposable[] = [];
  readonly pending: string[] = [];

  constructor(context: Context, request: ResolveRequest) {
    this.#context = context;
    this.#request = request;
  }

  /** Sorted by destination, so that every look at them is the same. */
  get mounts(): MountRecord[] {
    return [...this.#mounts.values()].sort((a, b) => (a.destination < b.destination ? -1 : 1));
  }

  async run(): Promise<void> {
    const { hostConfig: h, config } = this.#request;
    // All is read before the first volume is made.
    const others = (h.VolumesFrom ?? []).map(parseVolumesFrom);
    const binds = (h.Binds ?? []).map((text) => parseBind(text, h.VolumeDriver));
    const mounts = (h.Mounts ?? []).map(parseMount);
    const tmpfs = parseTmpfs(h.Tmpfs);
    checkDuplicates(binds, mounts, tmpfs);
    for (const wish of mounts) await checkSource(this.#context, wish);
    for (const wish of [...binds, ...mounts]) await this.#mustAnswer(wish);
    for (const other of others) this.#takeFrom(other);
    for (const wish of [...binds, ...mounts]) this.#set(await this.#record(wish));
    for (const target of Object.keys(config.Volumes ?? {})) await this.#addVolume(target, tmpfs);
  }

  /** Whose mount has to propagate is looked up by the runtime, without a time limit. */
  async #mustAnswer({ type, source, destination, propagation }: MountWish): Promise<void> {
    if (type !== "bind") return;
    if (/slave|shared/.test(propagation) || destination === "/proc")
      await ownerOfSource(this.#context, source);
  }

  #takeFrom(other: { container: string; isReadonly: boolean }): void {
    const record = this.#context.table.find(other.container);
    for (const { hasNoCopy: _, ...mount } of record.mounts ?? []) {
      if (mount.type === "volume" && mount.name !== undefined) this.#pin(mount.name);
      // What another container has filled is not filled again; compat: its mode is not taken over.
      this.#set({ ...mount, mode: "", hasNoCopy: true, isReadonly: mount.isReadonly || other.isReadonly });
    }
  }

  async #record(wish: MountWish): Promise<MountRecord> {
    switch (wish.type) {
      case "bind":
        return this.#bind(wish);
      case "volume":
        return this.#volume(wish);
      case "image":
        return this.#image(wish);
      case "tmpfs":
        return { ...shared(wish), source: "", tmpfsOptions: wish.tmpfsOptions };
    }
  }

  #bind(wish: MountWish): MountRecord {
    const needsSlave = this.#touchesDataRoot(wish);
    return {
      ...shared(wish),
      source: wish.source,
      propagation: wish.propagation || (needsSlave ? "rslave" : "rprivate"),
      ...(needsSlave ? { isPropagationOptional: true as const } : {}),
      ...(wish.createsSource ? { createsSource: true as const } : {}),
      ...(wish.isNonRecursive ? { isNonRecursive: true as const } : {}),
      ...(wish.isReadonlyNonRecursive || (wish.isReadonly && this.#request.isReadonlyShallow)
        ? { isReadonlyNonRecursive: true as const }
        : {}),
    };
  }

  /**
   * compat: a bind of what is above or below the data root follows the host's mounts, so that it never keeps one of ours alive;
   * any other propagation is refused.
   */
  #touchesDataRoot(wish: MountWish): boolean {
    const root = this.#context.paths.dataRoot;
    if (!wish.source.startsWith(root) && !root.startsWith(wish.source)) return false;
    if (wish.propagation === "") return true;
    if (["rslave", "rshared"].includes(wish.propagation)) return false;
    throw new Fault(
      "invalidParameter",
      `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: ${JSON.stringify(root)}, bind mount source: ${JSON.stringify(wish.source)}, propagation: ${JSON.stringify(wish.propagation)}`,
      { code: "mount.invalid" },
    );
  }

  async #volume(wish: MountWish): Promise<MountRecord> {
    const isAnonymous = wish.source === "";
    const volume = await this.#makeVolume({
      name: wish.source,
      driver: wish.driver,
      options: wish.driverOptions,
      labels: wish.labels,
    });
    return {
      ...shared(wish),
      ...(await this.#place(volume)),
      // compat: what SELinux would make of a volume shared between containers.
      mode: wish.mode || (volume.driver === "local" ? "z" : ""),
      ...(isAnonymous ? { isAnonymous: true as const } : {}),
      ...(wish.hasNoCopy ? { hasNoCopy: true as const } : {}),
      ...(wish.subpath === "" ? {} : { subpath: wish.subpath }),
    };
  }

  async #makeVolume(wish: {
    name: string;
    driver: string;
    options?: Readonly<Record<string, string>> | undefined;
    labels?: Readonly<Record<string, string>> | undefined;
  }): Promise<VolumeRecord> {
    const pin = wish.name === "" ? undefined : this.#pin(wish.name);
    const volume = await this.#context.volumes.ensure({ ...wish, isPending: pin === undefined });
    if (pin === undefined) {
      this.#pin(volume.name);
      this.pending.push(volume.name);
    }
    return volume;
  }

  async #place(volume: VolumeRecord): Promise<Pick<MountRecord, "name" | "driver" | "source">> {
    const found = await (await this.#context.volumes.driverOf(volume)).get(volume.name);
    return { name: volume.name, driver: volume.driver, source: found?.mountpoint ?? "" };
  }

  #image(wish: MountWish): MountRecord {
    const image = this.#context.images.resolve(wish.source, undefined);
    return {
      ...shared(wish),
      source: image.id,
      name: wish.source,
      propagation: "rprivate",
      layer: image.topLayer,
      ...(wish.subpath === "" ? {} : { subpath: wish.subpath }),
    };
  }

  async #addVolume(target: string, tmpfs: ReadonlyMap<string, string>): Promise<void> {
    const destination = cleanPath(target.startsWith("/") ? target : `/${target}`);
    if (this.#mounts.has(destination) || tmpfs.has(destination)) return;
    if (destination === "/")
      throw new Fault("invalidParameter", "invalid specification: destination can't be '/'", {
        code: "mount.invalid",
      });
    const volume = await this.#makeVolume({ name: "", driver: this.#request.hostConfig.VolumeDriver });
    this.#set({
      type: "volume",
      destination,
      ...(await this.#place(volume)),
      mode: "",
      isReadonly: false,
      propagation: "",
      isAnonymous: true,
    });
  }

  #set(mount: MountRecord): void {
    this.#mounts.set(mount.destination, mount);
  }

  #pin(name: string): Disposable {
    const pin = this.#context.volumes.pin(name, this.#request.id);
    this.#pins.push(pin);
    return pin;
  }

  async abandon(): Promise<void> {
    this[Symbol.dispose]();
    for (const name of this.pending.splice(0)) await this.#context.volumes.abandon(name);
  }

  [Symbol.dispose](): void {
    for (const pin of this.#pins.splice(0)) pin[Symbol.dispose]();
  }
}

function shared(
  wish: MountWish,
): Pick<MountRecord, "type" | "destination" | "mode" | "isReadonly" | "propagation" | "idMap"> {
  const { type, destination, mode, isReadonly, idMap } = wish;
  return { type, destination, mode, isReadonly, propagation: "", ...(idMap === "" ? {} : { idMap }) };
}

/** compat: `-v` may not meet `--tmpfs`, `--mount` may (the tmpfs wins), and no two of them may meet. */
function checkDuplicates(
  binds: readonly MountWish[],
  mounts: readonly MountWish[],
  tmpfs: ReadonlyMap<string, string>,
): void {
  const seen = new Set<string>();
  for (const { destination, isBindText } of [...binds, ...mounts]) {
    if (seen.has(destination) || (isBindText && tmpfs.has(destination)))
      throw new Fault("invalidParameter", `Duplicate mount point: ${destination}`, {
        code: "mount.duplicate",
      });
    seen.add(destination);
  }
}

/** `--mount` insists that what it binds is there, or that it may be made. Fails with invalidParameter. */
async function checkSource(context: Pick<Context, "keel">, wish: MountWish): Promise<void> {
  if (wish.type === "bind" && !wish.createsSource && !(await ownerOfSource(context, wish.source)))
    throw missingSource(wish.source);
}

/** Makes the directory that `-v` binds where it is missing: the container's root's, mode 0755. Fails with invalidParameter. */
export async function prepareSource(
  context: Pick<Context, "keel">,
  mount: Pick<MountRecord, "source" | "createsSource">,
  idMap: IdMap | undefined,
): Promise<void> {
  if ((await ownerOfSource(context, mount.source)) !== undefined) return;
  if (!mount.createsSource) throw missingSource(mount.source);
  try {
    const first = await mkdir(mount.source, { recursive: true, mode: 0o755 });
    if (idMap !== undefined && first !== undefined) await giveTo(outsideRoot(idMap), first, mount.source);
  } catch (error) {
    throw new Fault(
      "invalidParameter",
      `error while creating mount source path '${mount.source}': ${messageOf(error)}`,
      { code: "mount.source", cause: error },
    );
  }
}

/** Gives away the directories from `first` down to `last`, which were just made. */
async function giveTo({ uid, gid }: Owner, first: string, last: string): Promise<void> {
  for (let dir = last; dir.length >= first.length; dir = dirname(dir)) await lchown(dir, uid, gid);
}

function missingSource(path: string): Fault {
  return new Fault(
    "invalidParameter",
    `invalid mount config for type "bind": bind source path does not exist: ${path}`,
    { code: "mount.source-missing" },
  );
}

/** Clients take "not found" as the image's and pull it: what else is unknown is a wrong parameter here. */
function asParameter(error: unknown): unknown {
  if (!(error instanceof Fault) || error.kind !== "notFound") return error;
  return new Fault("invalidParameter", error.message, { code: error.code, cause: error });
}
