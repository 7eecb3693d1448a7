// Puts the daemon together: stores, keel, network driver, services, server, each made by its file in wiring/. The only place
// where concepts are constructed; everything is handed to those who need it. Disposed of in the reverse order.
import { readdir } from "node:fs/promises";
import { hostname, release } from "node:os";
import { join } from "node:path";
import { treeArchiver } from "../engine/container/files/tree-archive.ts";
import { checkDefaultLog } from "../engine/container/log/options.ts";
import { isRunning } from "../engine/container/record.ts";
import { holdUsersOf } from "../engine/container/run/pause.ts";
import type { ContainerTable } from "../engine/container/table.ts";
import { ExecService } from "../engine/exec/service.ts";
import { KeptService } from "../engine/kept/service.ts";
import { KeptStore } from "../engine/kept/store.ts";
import { FactsService } from "../engine/system/facts.ts";
import { collectMetrics } from "../engine/system/metrics.ts";
import { VolumeService } from "../engine/volume/service.ts";
import { BERTH_COMMIT, BERTH_VERSION } from "../lib/version.ts";
import type { CgroupHost } from "../linux/cgroupfs/hierarchy.ts";
import type { IdMap } from "../linux/idmap.ts";
import { host } from "../linux/ops.ts";
import { readPublished } from "../net/firewall/published.ts";
import { loadDefaultProfile } from "../runtime/apparmor/load.ts";
import { planCgroupParentRemoval } from "../runtime/cgroup/plan.ts";
import { SystemdDriver } from "../runtime/systemd/driver.ts";
import { Authorization } from "../server/access/authz.ts";
import type { Gate } from "../server/access/gate.ts";
import { Policy, type PolicyConfig } from "../server/access/policy.ts";
import { serveMetrics } from "../server/metrics.ts";
import { createServer, type Server } from "../server/server.ts";
import type { DaemonConfig, ReloadableConfig } from "./config.ts";
import type { Log } from "./log.ts";
import type { InsideSettings } from "./rootless/inside.ts";
import { openAuditLog, scopeWorld } from "./wiring/access.ts";
import { Background } from "./wiring/background.ts";
import { openBuild, openBuildCaches } from "./wiring/build.ts";
import { type Containers, openContainers } from "./wiring/containers.ts";
import { type Floor, MACHINE, type MachinePorts, openFloor } from "./wiring/floor.ts";
import { openImages } from "./wiring/images.ts";
import { openNetworks } from "./wiring/networks.ts";
import { daemonId, openSystem } from "./wiring/system.ts";

/** A daemon that is put together. */
export interface Daemon {
  readonly server: Server;
  /** false: `close` stops the containers. */
  isLiveRestore: boolean;
  /** Takes new settings over while it runs, and says so in an event. */
  reload(settings: ReloadableConfig): void;
  /** Returns what a socket with a policy asks of its requests. */
  policyOf(config: PolicyConfig): Gate;
  /** Ends everything in order; the host is left clean when no container runs. */
  close(): Promise<void>;
}

/** The configuration with what was found out about this machine's users. */
export interface OpenConfig extends DaemonConfig {
  /** Of the containers' user namespaces. */
  readonly idMap: IdMap | undefined;
  /** The daemon is an ordinary user's, in namespaces of its own. */
  readonly rootless: InsideSettings | undefined;
}

/** Opens the stores, finds what runs, and returns the daemon, not yet listening. `onLost` is called when keel is gone. */
export async function openDaemon(
  config: OpenConfig,
  log: Log,
  onLost: () => void,
  machine: MachinePorts = MACHINE,
): Promise<Daemon> {
  // Which plugins there are is known later; what else can be wrong is told before anything is opened.
  checkDefaultLog(config.logDriver, config.logOptions, () => true);
  const systemd =
    config.engine.cgroupDriver === "systemd" ? await SystemdDriver.open(config.cgroupParent) : undefined;
  await loadDefaultProfile((line) => log("warn", line));
  await using stack = new AsyncDisposableStack();
  const floor = await openFloor(config, machine, stack, log, onLost);
  const { meta, keel, content, layers, events } = floor;
  const { networks, bridge, firewallTable } = await openNetworks(floor, config, log);
  const kept = new KeptStore({
    store: meta,
    dir: config.dataRoot,
    limits: config.undo,
    log: (line) => log("warn", line),
  });
  stack.defer(() => kept.close());
  const imageParts = await openImages(floor, config, kept, log);
  const { images, imageTable } = imageParts;
  const background = new Background(log);
  const before = { floor, networks, bridge, kept, background, systemd, ...imageParts };
  const containerParts = await openContainers(before, config, stack, log);
  const { context, containers, localVolumes, plugins, pluginLookup } = containerParts;
  checkDefaultLog(config.logDriver, config.logOptions, (name) => plugins.logPlugin(name) !== undefined);
  await sweepContainerDirs(keel, join(config.dataRoot, "containers"), context.table);

  const buildCaches = await openBuildCaches(floor, config);
  kept.expireSoon();
  const startedAtMs = Date.now();
  background.run("remove what nobody needs", async () => {
    const bytes = await images.sweep(startedAtMs);
    if (bytes > 0) log("info", `removed ${bytes} bytes of layers and blobs that nobody needed`);
  });

  const build = await openBuild(floor, context, buildCaches, config);
  const volumes = new VolumeService({
    catalog: context.volumes,
    local: localVolumes,
    keel,
    archiver: treeArchiver,
    events,
    log: (line) => log("warn", line),
    holdUsers: (name) => holdUsersOf(context, name),
  });
  let settings: Pick<ReloadableConfig, "logLevel" | "labels"> = {
    logLevel: config.logLevel,
    labels: config.engine.labels,
  };
  const authorization = new Authorization({ plugins: config.access.plugins, lookup: pluginLookup });
  const id = await daemonId(meta);
  const system = openSystem(
    config,
    {
      daemonId: id,
      isLiveRestore: () => result.isLiveRestore,
      isDebug: () => settings.logLevel === "debug",
      labels: () => settings.labels,
      authorizationPlugins: () => authorization.plugins,
    },
    imageParts,
    containerParts,
    {
      table: context.table,
      containers,
      images,
      volumes,
      events,
      buildCache: buildCaches.cache,
      stores: { table: imageTable, layers, content },
    },
  );
  connectPlugins(containerParts, authorization);
  const audit = openAuditLog(config.access.auditLog, keel, log);
  if (audit !== undefined) stack.defer(() => audit.close());
  const exec = new ExecService(context);
  const server = createServer({
    ports: {
      container: containers,
      exec,
      image: images,
      network: networks,
      volume: volumes,
      plugin: plugins,
      build,
      system,
      kept: new KeptService(
        kept,
        new Map([
          ["containers", (filters) => containers.prunable(filters)],
          ["images", async (filters) => images.prunable(filters)],
          ["networks", async (f) => networks.prunable(f).map((n) => ({ name: n.name, sizeBytes: 0 }))],
          ["volumes", (filters) => volumes.prunable(filters)],
        ]),
      ),
      facts: new FactsService({
        context,
        dataRoot: config.dataRoot,
        publishedRules: () => readPublished(keel, firewallTable),
      }),
    },
    productVersion: BERTH_VERSION,
    builderVersion: "1",
    isExperimental: config.engine.isExperimental,
    authorization,
    ...(audit === undefined ? {} : { audit }),
    log,
  });
  if (config.engine.metricsAddress !== "") {
    const metrics = await openMetrics(config.engine.metricsAddress, context, id);
    stack.defer(() => metrics.close());
    log("info", `metrics on http://${metrics.address}/metrics`);
  }
  floor.execRoot.isUnused = false;
  const resources = stack.move();
  const result: Daemon = {
    server,
    isLiveRestore: config.liveRestore,
    reload(next) {
      settings = next;
      result.isLiveRestore = next.liveRestore;
      imageParts.registries.mirrors = next.registryMirrors;
      imageParts.registries.insecure = next.insecureRegistries;
      imageParts.transfers.settings = next.transfers;
      authorization.plugins = next.authorizationPlugins;
      events.publish({
        type: "daemon",
        action: "reload",
        actorId: id,
        attributes: reloadAttributes(next),
      });
    },
    policyOf: (policy) => new Policy(policy, scopeWorld(context, exec)),
    async close() {
      await server.close();
      await containers.close({ stops: !result.isLiveRestore });
      await background.settled();
      await context.logs.close();
      await plugins.close({ stops: !result.isLiveRestore });
      const isIdle = containers.runningCount === 0;
      await networks.close({ remove: isIdle });
      const isUnused = isIdle && plugins.runningCount === 0;
      floor.execRoot.isUnused = isUnused;
      // Slices are systemd's.
      if (isUnused && systemd === undefined)
        await removeCgroupParent(keel, context.cgroups, context.cgroupParent);
      // What a shim wrote at the last moment is nobody's any more.
      if (isIdle) await floor.execRoot.removeStates("containers");
      if (plugins.runningCount === 0) await floor.execRoot.removeStates("plugins");
      await resources.disposeAsync();
    },
  };
  return result;
}

/** Tells plugins who uses them. */
function connectPlugins({ plugins, context }: Containers, authorization: Authorization): void {
  const { table, volumes } = context;
  plugins.setUsers({
    isUsed: (name) =>
      volumes.all().some((r) => r.driver === name) ||
      table.all().some((r) => isRunning(r) && plugins.logPlugin(r.hostConfig.LogConfig.Type) === name),
    // Else nobody could enable it again.
    disabled: (name) => {
      authorization.plugins = authorization.plugins.filter((p) => plugins.nameOf(p) !== name);
    },
  });
}

function openMetrics(
  address: string,
  { table, events }: Containers["context"],
  daemon_id: string,
): ReturnType<typeof serveMetrics> {
  const info = {
    version: BERTH_VERSION,
    commit: BERTH_COMMIT,
    daemon_id,
    kernel: release(),
    os_type: "linux",
  };
  return serveMetrics(address, () => collectMetrics({ table, events, info }));
}

/** What the event of a reload tells: the settings that one can change. */
function reloadAttributes(next: ReloadableConfig): Record<string, string> {
  return {
    debug: String(next.logLevel === "debug"),
    "insecure-registries": JSON.stringify(next.insecureRegistries),
    labels: JSON.stringify(next.labels),
    "live-restore": String(next.liveRestore),
    "max-concurrent-downloads": String(next.transfers.downloads),
    "max-concurrent-uploads": String(next.transfers.uploads),
    "max-download-attempts": String(next.transfers.attempts),
    name: hostname(),
    "registry-mirrors": JSON.stringify(next.registryMirrors),
    "shutdown-timeout": String(next.shutdownTimeoutSec),
  };
}

/** Removes the files of containers that a crash kept from being removed, or created. */
async function sweepContainerDirs(keel: Floor["keel"], dir: string, table: ContainerTable): Promise<void> {
  for (const name of await readdir(dir))
    if (table.get(name) === undefined) await keel.run([host.remove(join(dir, name))]);
}

/** Removes the parent cgroup of all containers, unless another engine uses it. */
async function removeCgroupParent(keel: Floor["keel"], cgroups: CgroupHost, parent: string): Promise<void> {
  for (const op of planCgroupParentRemoval(cgroups, parent)) {
    try {
      await keel.run([op]);
    } catch {
      // ignored: EBUSY means that another engine's containers are in it
    }
  }
}
