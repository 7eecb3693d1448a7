// The operations on managed plugins: what PluginPort (server/ports.ts) asks for, and where the users of plugins find them. A plugin's
// files are a copy of its layers, which are held for the next push; its directory is there before its record, and its record goes
// before its directory.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Call, ProgressSink, UploadBody } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/plugin.ts";
import { Fault } from "../../lib/errors.ts";
import { newId, randomHex } from "../../lib/id.ts";
import { Lane, Lanes } from "../../lib/lanes.ts";
import {
  parsePluginConfig,
  type Plugin,
  type PluginPrivilege,
  pluginTypes,
} from "../../lib/plugin-protocol/config.ts";
import type { PluginKind, PluginLookup, PluginPlace } from "../../lib/plugin-protocol/lookup.ts";
import { goJson } from "../../lib/json/go-json.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { canonicalString, familiarString, parseReference } from "../../oci/reference.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import { Trash } from "../../storage/trash.ts";
import type { PluginContext } from "./context.ts";
import { type FetchedPlugin, fetchLayers, fetchPlugin, remoteReference } from "./fetch.ts";
import { pluginMatcher } from "./filter.ts";
import { localName, pulledName } from "../../oci/plugin-name.ts";
import { hostPathOf } from "./host-path.ts";
import { checkPrivileges, privilegesOf } from "./privileges.ts";
import { socketOf } from "./process.ts";
import { pluginManifest, pushPlugin } from "./push.ts";
import { initialSettings, type PluginRecord, viewOf } from "./record.ts";
import { changeSettings } from "./settings.ts";
import { checkStartable } from "./spec.ts";
import { PluginSupervisor } from "./supervisor.ts";
import { PluginTable } from "./table.ts";
import { receivePlugin } from "./upload.ts";

type Input<O extends keyof typeof operations> = InputOf<(typeof operations)[O]>;

/** How the types of a configuration call what whoever looks for a plugin wants. */
const CAPABILITIES: Readonly<Record<PluginKind, string>> = {
  VolumeDriver: "volumedriver",
  authz: "authz",
  LogDriver: "logdriver",
};

/** How long a plugin that is enabled has until it answers, where the caller does not say. */
const ENABLE_SECONDS = 30;

export class PluginService {
  readonly #context: PluginContext;
  readonly #table: PluginTable;
  readonly #supervisor: PluginSupervisor;
  readonly #trash: Trash;
  /** Names are given one at a time. */
  readonly #naming = new Lane();
  /** Changes of one plugin. */
  readonly #lanes = new Lanes();
  #isUsed: (name: string) => boolean = () => false;
  #disabled: (name: string) => void = () => {};

  private constructor(context: PluginContext, trash: Trash) {
    this.#context = context;
    this.#trash = trash;
    this.#table = new PluginTable(context.store, context.layers.holds);
    this.#supervisor = new PluginSupervisor(context, (id) => this.#table.get(id));
  }

  /** Removes what a crash left, takes over the plugins that run and starts those that should. */
  static async open(context: PluginContext, { stops }: { stops: boolean }): Promise<PluginService> {
    const { paths, keel, disk, log } = context;
    await disk.makeDir(paths.root);
    for (const dir of [paths.stateRoot(), paths.sockets("")])
      await mkdir(dir, { recursive: true, mode: 0o700 });
    const trash = await Trash.open(paths.trash, { keel, disk, log: (line) => log("warn", line) });
    const service = new PluginService(context, trash);
    for (const record of service.#table.all()) await service.#repair(record);
    await service.#supervisor.restore(service.#table.all(), { stops });
    for (const name of await disk.list(paths.root))
      if (!name.startsWith(".") && service.#table.get(name) === undefined)
        await trash.throwAway(join(paths.root, name));
    return service;
  }

  /** An upgrade that was cut short has left files that are not the plugin's, or none at all. */
  async #repair({ id, layers }: PluginRecord): Promise<void> {
    const { paths, disk } = this.#context;
    await disk.makeDir(paths.dir(id));
    const names = await disk.list(paths.dir(id));
    for (const name of names)
      if (name.startsWith("rootfs-")) await this.#trash.throwAway(join(paths.dir(id), name));
    if (!names.includes("rootfs")) await this.#copyFiles(layers, paths.rootfs(id));
  }

  /** Says how to find out whether a plugin is in use, and who is told that one is disabled; set once by the wiring. */
  setUsers({
    isUsed,
    disabled,
  }: {
    isUsed: (name: string) => boolean;
    disabled: (name: string) => void;
  }): void {
    this.#isUsed = isUsed;
    this.#disabled = disabled;
  }

  get runningCount(): number {
    return this.#supervisor.runningCount;
  }

  /** Where the users of plugins find the enabled ones. */
  readonly lookup: PluginLookup = {
    find: async (name, kind) => this.#place(name, kind),
    list: async (kind) =>
      this.#table.all().flatMap((r) => (r.isEnabled && does(r, CAPABILITIES[kind]) ? [r.name] : [])),
  };

  #place(name: string, kind: PluginKind): PluginPlace | undefined {
    const record = this.#table.search(name);
    if (record === undefined) return undefined;
    if (!record.isEnabled)
      throw new Fault("conflict", `plugin ${name} found but disabled`, { code: "plugin.disabled" });
    const capability = CAPABILITIES[kind];
    if (!does(record, capability))
      throw new Fault(
        "invalidParameter",
        `plugin does not provide ${JSON.stringify(capability)} capability`,
        {
          code: "plugin.not-implemented",
        },
      );
    return {
      name: record.name,
      endpoint: { path: socketOf(this.#context, record) },
      isManaged: true,
      hostPath: (path) => hostPathOf(this.#context, record, path),
    };
  }

  /** Returns the full name of the enabled log driver that a container's `--log-driver` means. */
  logPlugin(name: string): string | undefined {
    const record = this.#table.search(name);
    return record?.isEnabled === true && does(record, CAPABILITIES.LogDriver) ? record.name : undefined;
  }

  /** Returns the full name of the plugin that a name means. */
  nameOf(name: string): string | undefined {
    return this.#table.search(name)?.name;
  }

  async list({ filters }: Input<"pluginList">): Promise<Plugin[]> {
    return this.#table.all().filter(pluginMatcher(filters)).map(viewOf);
  }

  async inspect({ name }: Input<"pluginInspect">): Promise<Plugin> {
    return viewOf(this.#table.find(name));
  }

  async privileges(input: Input<"getPluginPrivileges">, { signal }: Call): Promise<PluginPrivilege[]> {
    const reference = remoteReference(parseReference(input.remote ?? ""));
    const { config } = await fetchPlugin(this.#context, reference, input.registryAuth, signal);
    return privilegesOf(config);
  }

  pulledName({ remote = "", name }: Pick<Input<"pluginPull">, "remote" | "name">): string {
    return pulledName(remote, name);
  }

  async pull(input: Input<"pluginPull">, out: ProgressSink, { signal }: Call): Promise<void> {
    const reference = remoteReference(parseReference(input.remote ?? ""));
    const name = this.pulledName(input);
    this.#table.checkFree(name);
    const fetched = await fetchPlugin(this.#context, reference, input.registryAuth, signal);
    checkPrivileges(fetched.config, input.body ?? []);
    using lease = this.#context.layers.lease();
    const layers = await fetchLayers(this.#context, fetched, reference, { lease, out, signal });
    const id = newId();
    await this.#naming.run(async () => {
      this.#table.checkFree(name);
      await this.#makeFiles(id, layers, signal);
      const common = {
        version: 1,
        id,
        name,
        reference: canonicalString(reference),
        isEnabled: false,
      } as const;
      await this.#table.put({
        ...common,
        ...partsOf(fetched, layers),
        settings: initialSettings(fetched.config),
      });
    });
    this.#publish("pull", familiarString(reference), name);
  }

  async upgrade(input: Input<"pluginUpgrade">, out: ProgressSink, { signal }: Call): Promise<void> {
    const reference = remoteReference(parseReference(input.remote ?? ""));
    await this.#lanes.run(this.#table.find(input.name).id, async () => {
      const record = this.#table.find(input.name);
      if (record.isEnabled)
        throw new Fault(
          "conflict",
          `plugin must be disabled before upgrading: plugin ${record.name} is enabled`,
          { code: "plugin.enabled" },
        );
      const fetched = await fetchPlugin(this.#context, reference, input.registryAuth, signal);
      checkPrivileges(fetched.config, input.body ?? []);
      using lease = this.#context.layers.lease();
      const layers = await fetchLayers(this.#context, fetched, reference, { lease, out, signal });
      this.#publish("pull", familiarString(reference), record.name);
      await this.#replaceFiles(record, layers, signal);
      // compat: the settings stay, whatever the new configuration has.
      await this.#table.put({
        ...record,
        reference: canonicalString(reference),
        ...partsOf(fetched, layers),
      });
      await this.#letGo(record);
    });
  }

  async create(input: Input<"pluginCreate">, body: UploadBody, { signal }: Call): Promise<void> {
    const name = localName(input.name ?? "");
    this.#table.checkFree(name);
    using lease = this.#context.layers.lease();
    const { configText: given, layer } = await receivePlugin(this.#context.layers, body, { lease, signal });
    const config = { ...parsePluginConfig(given), rootfs: { diff_ids: [layer.diffId], type: "layers" } };
    const configText = goJson(config);
    const blob = layer.blob ?? {
      digest: layer.diffId,
      sizeBytes: layer.tarBytes,
      mediaType: MEDIA_TYPES.dockerLayer,
    };
    const text = pluginManifest(Buffer.from(configText), [blob]);
    const id = newId();
    await this.#naming.run(async () => {
      this.#table.checkFree(name);
      await this.#makeFiles(id, [layer.id], signal);
      await this.#table.put({
        version: 1,
        id,
        name,
        reference: name,
        config,
        configText,
        manifest: { text, mediaType: MEDIA_TYPES.dockerManifest, layers: [blob.digest] },
        layers: [layer.id],
        settings: initialSettings(config),
        isEnabled: false,
      });
    });
    this.#publish("create", id, name);
  }

  async push(input: Input<"pluginPush">, out: ProgressSink, { signal }: Call): Promise<void> {
    const record = this.#table.find(input.name);
    await pushPlugin(this.#context, record, parseReference(record.name), {
      auth: input.registryAuth,
      out,
      signal,
    });
    this.#publish("push", record.id, record.name);
  }

  async enable({ name, timeout = 0 }: Input<"pluginEnable">): Promise<void> {
    if (timeout < 0)
      throw new Fault("invalidParameter", `negative timeout ${timeout} is invalid`, {
        code: "plugin.timeout",
      });
    // compat: 0 is no limit of the caller's own.
    const seconds = timeout === 0 ? ENABLE_SECONDS : timeout;
    await this.#change(name, async (record) => {
      if (record.isEnabled)
        throw new Fault("conflict", `plugin already enabled: plugin ${record.name} is enabled`, {
          code: "plugin.enabled",
        });
      checkStartable(record);
      await this.#supervisor.start(record, seconds * 1000);
      await this.#table.put({ ...record, isEnabled: true }).catch(async (error: unknown) => {
        await this.#supervisor.stop(record.id);
        throw error;
      });
      this.#publish("enable", record.id, name);
    });
  }

  async disable({ name, force }: Input<"pluginDisable">): Promise<void> {
    await this.#change(name, async (record) => {
      if (!record.isEnabled)
        throw new Fault("conflict", `plugin is already disabled: plugin ${record.name} found but disabled`, {
          code: "plugin.disabled",
        });
      if (!force) this.#checkUnused(record);
      await this.#disable(record);
      this.#publish("disable", record.id, name);
    });
  }

  async #disable(record: PluginRecord): Promise<void> {
    this.#disabled(record.name);
    await this.#supervisor.stop(record.id);
    await this.#table.put({ ...record, isEnabled: false });
  }

  async set({ name, body }: Input<"pluginSet">): Promise<void> {
    await this.#change(name, async (record) => {
      if (record.isEnabled)
        throw new Fault("conflict", "cannot set on an active plugin, disable plugin before setting", {
          code: "plugin.enabled",
        });
      const settings = changeSettings(record.config, record.settings, body ?? []);
      await this.#table.put({ ...record, settings });
    });
  }

  async delete({ name, force }: Input<"pluginDelete">): Promise<Plugin> {
    return await this.#change(name, async (record) => {
      if (!force) {
        this.#checkUnused(record);
        if (record.isEnabled)
          throw new Fault("conflict", `plugin ${record.name} is enabled`, { code: "plugin.enabled" });
      }
      if (record.isEnabled) await this.#disable(record);
      await this.#table.remove(record);
      await this.#trash.throwAway(this.#context.paths.dir(record.id));
      await this.#letGo(record);
      this.#publish("remove", record.id, name);
      return viewOf({ ...record, isEnabled: false });
    });
  }

  /** Runs a change in the plugin's lane, on the record as it is then. */
  async #change<T>(name: string, change: (record: PluginRecord) => Promise<T>): Promise<T> {
    const { id } = this.#table.find(name);
    return await this.#lanes.run(id, () => change(this.#table.find(id)));
  }

  #checkUnused({ name }: PluginRecord): void {
    if (this.#isUsed(name))
      throw new Fault("conflict", `plugin ${name} is in use`, { code: "plugin.in-use" });
  }

  /** Removes the layers that only this plugin had. */
  async #letGo({ layers }: PluginRecord): Promise<void> {
    const top = layers.at(-1);
    if (top !== undefined) await this.#context.layers.removeUnneeded(top);
  }

  async #makeFiles(id: string, layers: readonly LayerId[], signal: AbortSignal): Promise<void> {
    const { paths } = this.#context;
    try {
      await this.#copyFiles(layers, paths.rootfs(id), signal);
    } catch (error) {
      await this.#trash.throwAway(paths.dir(id));
      throw error;
    }
  }

  /** The old files go when the new ones are there; what the plugin keeps in its propagated mount stays. */
  async #replaceFiles({ id }: PluginRecord, layers: readonly LayerId[], signal: AbortSignal): Promise<void> {
    const { paths, disk } = this.#context;
    const fresh = join(paths.dir(id), `rootfs-${randomHex()}`);
    try {
      await this.#copyFiles(layers, fresh, signal);
      await this.#trash.throwAway(paths.rootfs(id));
      await disk.rename(fresh, paths.rootfs(id));
    } catch (error) {
      await this.#trash.throwAway(fresh);
      throw error;
    }
  }

  async #copyFiles(layers: readonly LayerId[], dir: string, signal?: AbortSignal): Promise<void> {
    await this.#context.disk.makeDir(dir);
    await this.#context.layers.copyOut(layers.at(-1) as LayerId, dir, signal);
  }

  #publish(action: string, actorId: string, name: string): void {
    this.#context.events.publish({ type: "plugin", action, actorId, attributes: { name } });
  }

  async close({ stops }: { stops: boolean }): Promise<void> {
    await this.#supervisor.close({ stops });
    await this.#trash.settled();
  }
}

const does = ({ config }: PluginRecord, capability: string): boolean =>
  pluginTypes(config).some((t) => t.prefix === "docker" && t.capability === capability);

function partsOf(
  { config, configText, manifest, manifestText }: FetchedPlugin,
  layers: readonly LayerId[],
): Pick<PluginRecord, "config" | "configText" | "manifest" | "layers"> {
  const { mediaType } = manifest;
  return {
    config,
    configText,
    manifest: { text: manifestText, mediaType, layers: manifest.layers.map((l) => l.digest) },
    layers,
  };
}
