// Puts the daemon together: stores, keel, network driver, services, server. The only place where concepts are constructed;
// everything is handed to those who need it. Disposed of in the reverse order.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { hostname, release } from "node:os";
import { dirname, join } from "node:path";
import { API_VERSION, MIN_API_VERSION } from "../api/contract.ts";
import { CacheMountStore } from "../engine/build/cache/mounts.ts";
import { BuildCache } from "../engine/build/cache/cache.ts";
import { imageSource, layerSink } from "../engine/build/ports.ts";
import { BuildService } from "../engine/build/service.ts";
import { StepHistoryFiles } from "../engine/build/step-history.ts";
import { ContainerStepRunner } from "../engine/build/step-runner.ts";
import { type ContainerContext, ContainerPaths } from "../engine/container/context.ts";
import { treeArchiver } from "../engine/container/files/tree-archive.ts";
import { holdUsersOf } from "../engine/container/run/pause.ts";
import { usesImage, volumeUsers } from "../engine/container/mounts/points.ts";
import { isRunning } from "../engine/container/record.ts";
import { IdRanges } from "../engine/container/host-config/id-ranges.ts";
import { Runtimes } from "../engine/container/runtime/runtimes.ts";
import { checkDefaultLog } from "../engine/container/log/options.ts";
import { containerKeeper, keptContainers, recoverKept } from "../engine/container/keep.ts";
import { LogService } from "../engine/container/log/service.ts";
import { ContainerService } from "../engine/container/service.ts";
import type { NameService } from "../engine/container/network/name-service.ts";
import { ContainerNames } from "../engine/container/network/names.ts";
import { ContainerTable } from "../engine/container/table.ts";
import { EventBus } from "../engine/event/bus.ts";
import { EventHistory } from "../engine/event/history.ts";
import { ExecService } from "../engine/exec/service.ts";
import { ImageService } from "../engine/image/service.ts";
import { configOf } from "../engine/image/record.ts";
import { PushedTable } from "../engine/image/pushed.ts";
import { Transfers } from "../engine/image/registries.ts";
import { CERTS_DIR } from "../registry/certificates.ts";
import { ImageTable } from "../engine/image/table.ts";
import { connectContainer, disconnectContainer } from "../engine/container/network/connect.ts";
import { remakeDevice } from "../engine/container/network/remake.ts";
import { membersOf } from "../engine/container/network/members.ts";
import { KeptService } from "../engine/kept/service.ts";
import { KeptStore } from "../engine/kept/store.ts";
import { NetworkDrivers } from "../engine/network/drivers.ts";
import { NetworkService } from "../engine/network/service.ts";
import { collectMetrics } from "../engine/system/metrics.ts";
import { PluginPaths } from "../engine/plugin/context.ts";
import { PluginService } from "../engine/plugin/service.ts";
import { FactsService } from "../engine/system/facts.ts";
import { SystemService } from "../engine/system/service.ts";
import { VolumeCatalog } from "../engine/volume/catalog.ts";
import { PluginDrivers } from "../engine/volume/plugin/drivers.ts";
import { VolumeService } from "../engine/volume/service.ts";
import { messageOf } from "../lib/errors.ts";
import { PLUGIN_DIRS } from "../lib/plugin-protocol/locate.ts";
import { FilePlugins, inOrder } from "../lib/plugin-protocol/lookup.ts";
import { newId } from "../lib/id.ts";
import { loadCgroupFeatures } from "../linux/cgroupfs/features.ts";
import { type CgroupHost, loadCgroupHost } from "../linux/cgroupfs/hierarchy.ts";
import { type IdMap, outsideRoot } from "../linux/idmap.ts";
import { type Keel, startKeel } from "../linux/keel.ts";
import { host } from "../linux/ops.ts";
import type { DnsOverrides } from "../net/dns/resolv-conf.ts";
import type { NamePolicy } from "../net/dns/ports.ts";
import { DnsServer } from "../net/dns/server.ts";
import { readPublished } from "../net/firewall/published.ts";
import { BridgeDriver } from "../net/bridge-driver.ts";
import { DEFAULT_POOLS, uniqueLocalPools } from "../net/ipam/subnet.ts";
import { MacvlanDriver } from "../net/macvlan-driver.ts";
import { hasAppArmor, loadDefaultProfile } from "../runtime/apparmor/load.ts";
import { loadCdiDevices } from "../runtime/cdi/load.ts";
import { delegateControllers } from "../runtime/cgroup/delegation.ts";
import { DEFAULT_CGROUP_PARENT, planCgroupParentRemoval } from "../runtime/cgroup/plan.ts";
import { READONLY_PATHS } from "../runtime/spec/defaults.ts";
import { defaultMaskedPaths } from "../runtime/spec/generate.ts";
import { loadSpecHost } from "../runtime/spec/host.ts";
import { SystemdDriver } from "../runtime/systemd/driver.ts";
import { AuditLog } from "../server/access/audit.ts";
import { Authorization } from "../server/access/authz.ts";
import type { Gate } from "../server/access/gate.ts";
import type { ScopeWorld } from "../server/access/label-scope.ts";
import type { Peer } from "../server/access/peer.ts";
import { Policy, type PolicyConfig } from "../server/access/policy.ts";
import { serveMetrics } from "../server/metrics.ts";
import { createServer, type Server } from "../server/server.ts";
import { FileContentStore } from "../storage/content/store.ts";
import { type DiskIo, nodeDisk } from "../storage/disk.ts";
import { LayerStore } from "../storage/layer/store.ts";
import { MetaStore } from "../storage/meta/store.ts";
import { ProjectIds } from "../storage/project-quota.ts";
import { LocalVolumes } from "../storage/volume/local.ts";
import type { DaemonConfig, ReloadableConfig } from "./config.ts";
import { engineDefaultsOf } from "./container-config.ts";
import { loadIdPool, noIdPool } from "./userns-remap.ts";
import { type InsideSettings, planInside } from "./rootless/inside.ts";
import { holdOutside, PortGate } from "./rootless/ports.ts";
import { unpackKeel } from "../linux/keel-program.ts";
import type { Log } from "./log.ts";
import { formatNano, nowNano } from "../lib/time.ts";
import { BERTH_COMMIT, BERTH_VERSION } from "../lib/version.ts";

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

const JOURNAL_SOCKET = "/run/systemd/journal/socket";

/** The configuration with what was found out about this machine's users. */
export interface OpenConfig extends DaemonConfig {
  /** Of the containers' user namespaces. */
  readonly idMap: IdMap | undefined;
  /** The daemon is an ordinary user's, in namespaces of its own. */
  readonly rootless: InsideSettings | undefined;
}

/** What is kept of the daemon itself (table `daemon`, key `self`). */
interface DaemonRecord {
  readonly version: 1;
  readonly id: string;
}

/** What stands between the daemon and the machine, for those who watch it there or make it fail. */
export interface MachinePorts {
  readonly disk: DiskIo;
  readonly around: (keel: Keel) => Keel;
}

const MACHINE: MachinePorts = { disk: nodeDisk, around: (keel) => keel };

/** Opens the stores, finds what runs, and returns the daemon, not yet listening. `onLost` is called when keel is gone. */
export async function openDaemon(
  config: OpenConfig,
  log: Log,
  onLost: () => void,
  { disk, around }: MachinePorts = MACHINE,
): Promise<Daemon> {
  checkDefaultLog(config.logDriver, config.logOptions);
  const systemd =
    config.engine.cgroupDriver === "systemd" ? await SystemdDriver.open(config.cgroupParent) : undefined;
  await loadDefaultProfile((line) => log("warn", line));
  await using stack = new AsyncDisposableStack();
  await disk.makeDir(config.dataRoot, 0o710);
  const meta = await MetaStore.open(join(config.dataRoot, "meta"), {
    disk,
    log: (line) => log("info", line),
  });
  stack.defer(() => meta.close());
  // Under the lock of the data root, so that a successor never loses its directories to a predecessor that is just ending.
  let leavesNothing = true;
  for (const name of ["c", "root", "stage"])
    await mkdir(join(config.execRoot, name), { recursive: true, mode: 0o700 });
  stack.defer(() => (leavesNothing ? removeExecRoot(config.execRoot) : undefined));
  const keelPath = unpackKeel(config.execRoot);
  const socketPath = join(config.execRoot, "agent.sock");
  const keel = around(await startKeel({ keelPath, socketPath, onExit: onLost }));
  stack.defer(() => keel.close());
  if (config.rootless !== undefined) {
    await keel.run(planInside(config.rootless));
    stack.use(await PortGate.open(config.rootless.gate));
  }
  const content = await FileContentStore.open(join(config.dataRoot, "content"), disk);
  const layers = await LayerStore.open({
    dir: config.dataRoot,
    meta,
    content,
    keel,
    disk,
    log: (line) => log("info", line),
    maxTarBytes: config.transfers.layerBytes,
  });
  stack.defer(() => layers.close());
  const events = new EventBus(
    await EventHistory.open(join(config.dataRoot, "events"), (l) => log("warn", l), disk),
  );
  stack.defer(() => events.close());
  const owner = createHash("sha256").update(config.dataRoot).digest("hex").slice(0, 8);
  const firewallTable = `berth-${owner}`;
  const bridge = await BridgeDriver.open({
    keel,
    owner,
    tableName: firewallTable,
    holdPort: config.rootless === undefined ? undefined : holdOutside(config.rootless.ports),
    remakeDevice: (endpoint) => networks.remakeDevice(endpoint),
    log: (line) => log("info", line),
  });
  const macvlan = await MacvlanDriver.open({ keel, owner });
  const networks: NetworkService = await NetworkService.open({
    store: meta,
    drivers: new NetworkDrivers(
      { bridge, macvlan },
      {
        hostBindingIp: config.network.defaultBridge.hostBindingIp,
        publishAllow: config.network.publishAllow,
      },
    ),
    events,
    pools: {
      ipv4: config.network.addressPools.ipv4 ?? DEFAULT_POOLS,
      ipv6: config.network.addressPools.ipv6 ?? uniqueLocalPools(owner),
    },
    defaultBridge: config.network.defaultBridge,
    defaultOptions: config.network.defaultOptions,
    log,
  });

  const kept = new KeptStore({
    store: meta,
    dir: config.dataRoot,
    limits: config.undo,
    log: (line) => log("warn", line),
  });
  stack.defer(() => kept.close());
  const transfers = new Transfers(config.transfers);
  const registries = {
    mirrors: config.registryMirrors,
    insecure: config.insecureRegistries,
    certsDirs: [join(dirname(config.configFile), "certs.d"), CERTS_DIR],
  };
  const imageTable = new ImageTable(meta, layers.holds);
  for (const { id } of await imageTable.removeBroken((layer) => layers.get(layer) !== undefined))
    log("warn", `image ${id} has lost layers and is removed: it can be pulled or built again`);
  const images = new ImageService({
    table: imageTable,
    layers,
    content,
    events,
    registries,
    transfers,
    pushed: new PushedTable(meta),
    kept,
  });
  const table = new ContainerTable(meta, layers.holds);
  const nameService = openNameService({ networks, table, policy: bridge }, config.dns, log);
  stack.use(nameService.server);
  const localVolumes = await LocalVolumes.open({
    dir: config.dataRoot,
    keel,
    disk,
    owner: config.idMap === undefined ? undefined : outsideRoot(config.idMap),
    log: (line) => log("info", line),
  });
  stack.defer(() => localVolumes.close());
  const cgroups = systemd?.host ?? loadCgroupHost();
  if (systemd === undefined && (await delegateControllers(cgroups, (ops) => keel.run(ops))))
    log("info", "moved the processes of this cgroup into a leaf, so that containers get its controllers");
  const engineDefaults = engineDefaultsOf(config.containers, cgroups.mode === "unified");
  const background = new Background(log);
  const paths = new ContainerPaths(config.dataRoot, config.execRoot, keelPath);
  const plugins = await PluginService.open(
    {
      store: meta,
      disk,
      keel,
      layers,
      images: { content, registries, transfers },
      events,
      cgroups,
      cgroupParent: config.cgroupParent || DEFAULT_CGROUP_PARENT,
      systemd,
      security: config.security.defaults,
      paths: new PluginPaths(config.dataRoot, config.execRoot, paths),
      log,
    },
    { stops: !config.liveRestore },
  );
  const pluginLookup = inOrder([plugins.lookup, new FilePlugins(PLUGIN_DIRS)]);
  const volumes = new VolumeCatalog({
    store: meta,
    local: localVolumes,
    plugins: new PluginDrivers({ lookup: pluginLookup, log: (line) => log("info", line) }),
    events,
    kept,
    log: (line) => log("warn", line),
  });
  const logs = new LogService({
    paths,
    keel,
    plugins: plugins.lookup,
    journalSocket: process.env["BERTH_JOURNAL_SOCKET"] ?? JOURNAL_SOCKET,
    log,
    inBackground: (what, work) => background.run(what, work),
  });
  const runtimes = new Runtimes(config.runtimes);
  const context: ContainerContext = {
    table,
    keel,
    disk,
    layers,
    images,
    networks,
    nameService,
    volumes,
    events,
    kept,
    cgroups,
    cgroupParent: config.cgroupParent || DEFAULT_CGROUP_PARENT,
    systemd,
    idMap: config.idMap,
    projectIds: new ProjectIds(0x43_000000, () =>
      [...table.all(), ...keptContainers(kept)].map((r) => r.projectId),
    ),
    idRanges: new IdRanges(config.rootless === undefined ? loadIdPool : noIdPool, () =>
      table.all().flatMap((r) => (r.hasOwnRange && r.idMap ? [r.idMap] : [])),
    ),
    security: config.security.defaults,
    defaults: {
      logType: config.logDriver,
      logOptions: config.logOptions,
      ...engineDefaults,
      maskedPaths: defaultMaskedPaths(loadSpecHost()),
      readonlyPaths: READONLY_PATHS,
      runtimes,
      isLogPlugin: (name) => plugins.logPlugin(name) !== undefined,
    },
    hostGatewayIps: config.engine.hostGatewayIps,
    cdiSpecDirs: config.engine.cdiSpecDirs,
    paths,
    logs,
    log,
    inBackground: (what, work) => background.run(what, work),
    unhealthy: (id) => containers.unhealthy(id),
  };
  const containers: ContainerService = new ContainerService(context);
  kept.setOwner("container", containerKeeper(context));
  await recoverKept(context);
  connectConcepts({ images, volumes }, table);
  networks.setMembers({
    list: (networkId) => membersOf(table, networkId),
    connect: (input) => connectContainer(context, input),
    disconnect: (input) => disconnectContainer(context, input),
    remakeDevice: (endpoint) => remakeDevice(context, endpoint),
  });
  await containers.restore({ stops: !config.liveRestore });
  await sweepContainerDirs(keel, join(config.dataRoot, "containers"), table);

  // It holds layers, and so has to be there before what nobody holds is removed.
  const now = (): string => formatNano(nowNano());
  const cacheMounts = await CacheMountStore.open({
    store: meta,
    keel,
    dir: join(config.dataRoot, "build-mounts"),
    now,
  });
  const buildCache = new BuildCache({
    store: meta,
    layers,
    mounts: cacheMounts,
    dataRoot: config.dataRoot,
    now,
  });
  kept.expireSoon();
  const startedAtMs = Date.now();
  background.run("remove what nobody needs", async () => {
    const bytes = await images.sweep(startedAtMs);
    if (bytes > 0) log("info", `removed ${bytes} bytes of layers and blobs that nobody needed`);
  });

  const scratchRoot = join(config.dataRoot, "tmp");
  const stepsDir = join(config.execRoot, "steps");
  await Promise.all([scratchRoot, stepsDir].map(makeEmpty));
  const build = new BuildService({
    ports: {
      images: imageSource(images, layers),
      steps: new ContainerStepRunner(context, stepsDir),
      devices: () => loadCdiDevices(config.engine.cdiSpecDirs),
      cache: buildCache,
      history: new StepHistoryFiles(join(config.dataRoot, "build-history")),
      cacheMounts,
    },
    layerSink: (lease) => layerSink({ layers, keel, mountTarget: join(config.execRoot, "root") }, lease),
    limits: config.buildCache,
    inBackground: (what, work) => background.run(what, work),
    images,
    layers,
    events,
    scratchRoot,
  });
  const volumeService = new VolumeService({
    catalog: volumes,
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
  const features = loadCgroupFeatures(cgroups);
  const id = await daemonId(meta);
  const system = new SystemService(
    {
      daemonId: id,
      version: BERTH_VERSION,
      commit: BERTH_COMMIT,
      apiVersion: API_VERSION,
      minApiVersion: MIN_API_VERSION,
      dataRoot: config.dataRoot,
      cgroupVersion: cgroups.mode === "unified" ? "2" : "1",
      features,
      seccompProfile: config.security.seccompProfile,
      hasNoNewPrivileges: config.security.defaults.noNewPrivileges,
      isRemapped: config.idMap !== undefined,
      cgroupDriver: cgroups.mode === "none" ? "none" : config.engine.cgroupDriver,
      isRootless: config.rootless !== undefined,
      registries,
      hasAppArmor: hasAppArmor(),
      cgroupnsMode: engineDefaults.cgroupnsMode,
      isLiveRestore: () => result.isLiveRestore,
      isDebug: () => settings.logLevel === "debug",
      labels: () => settings.labels,
      authorizationPlugins: () => authorization.plugins,
      isExperimental: config.engine.isExperimental,
      cdiSpecDirs: config.engine.cdiSpecDirs,
      logDriver: config.logDriver,
      runtimes,
    },
    {
      table,
      containers,
      images,
      volumes: volumeService,
      events,
      buildCache,
      stores: { table: imageTable, layers, content },
    },
  );
  const authorization = new Authorization({ plugins: config.access.plugins, lookup: pluginLookup });
  plugins.setUsers({
    isUsed: (name) =>
      volumes.all().some((r) => r.driver === name) ||
      table.all().some((r) => isRunning(r) && plugins.logPlugin(r.hostConfig.LogConfig.Type) === name),
    // Else nobody could enable it again.
    disabled: (name) => {
      authorization.plugins = authorization.plugins.filter((p) => plugins.nameOf(p) !== name);
    },
  });
  const audit =
    config.access.auditLog === ""
      ? undefined
      : new AuditLog(
          config.access.auditLog,
          (fd) => peerOf(keel, fd),
          (line) => log("error", line),
        );
  if (audit !== undefined) stack.defer(() => audit.close());
  const exec = new ExecService(context);
  const server = createServer({
    ports: {
      container: containers,
      exec,
      image: images,
      network: networks,
      volume: volumeService,
      plugin: plugins,
      build,
      system,
      kept: new KeptService(
        kept,
        new Map([
          ["containers", (filters) => containers.prunable(filters)],
          ["images", async (filters) => images.prunable(filters)],
          ["networks", async (f) => networks.prunable(f).map((n) => ({ name: n.name, sizeBytes: 0 }))],
          ["volumes", (filters) => volumeService.prunable(filters)],
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
    const info = {
      version: BERTH_VERSION,
      commit: BERTH_COMMIT,
      daemon_id: id,
      kernel: release(),
      os_type: "linux",
    };
    const metrics = await serveMetrics(config.engine.metricsAddress, () =>
      collectMetrics({ table, events, info }),
    );
    stack.defer(() => metrics.close());
    log("info", `metrics on http://${metrics.address}/metrics`);
  }
  leavesNothing = false;
  const resources = stack.move();
  const result: Daemon = {
    server,
    isLiveRestore: config.liveRestore,
    reload(next) {
      settings = next;
      result.isLiveRestore = next.liveRestore;
      registries.mirrors = next.registryMirrors;
      registries.insecure = next.insecureRegistries;
      transfers.settings = next.transfers;
      authorization.plugins = next.authorizationPlugins;
      const attributes = {
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
      events.publish({ type: "daemon", action: "reload", actorId: id, attributes });
    },
    policyOf: (policy) => new Policy(policy, scopeWorld(context, exec)),
    async close() {
      await server.close();
      await containers.close({ stops: !result.isLiveRestore });
      await background.settled();
      await logs.close();
      await plugins.close({ stops: !result.isLiveRestore });
      const isIdle = containers.runningCount === 0;
      await networks.close({ remove: isIdle });
      leavesNothing = isIdle && plugins.runningCount === 0;
      // Slices are systemd's.
      if (leavesNothing && systemd === undefined)
        await removeCgroupParent(keel, cgroups, context.cgroupParent);
      // No container runs: what a shim wrote at the last moment is nobody's any more.
      if (isIdle) await rm(join(config.execRoot, "c"), { recursive: true, force: true });
      await resources.disposeAsync();
    },
  };
  return result;
}

/** What sockets with a scope of labels look up. */
function scopeWorld({ table, images, networks, volumes }: ContainerContext, exec: ExecService): ScopeWorld {
  return {
    container(reference) {
      const { id, config } = table.find(reference);
      return { id, labels: config.Labels };
    },
    image(reference) {
      const image = images.find(reference);
      return { id: image.id, labels: configOf(image).config.labels };
    },
    network: (reference) => networks.find(reference),
    volume(name) {
      const record = volumes.get(name);
      return record === undefined ? undefined : { id: name, labels: record.labels };
    },
    execContainer: (id) => exec.containerOf(id),
  };
}

/** Tells images and volumes who uses them. */
function connectConcepts(
  { images, volumes }: Pick<ContainerContext, "images" | "volumes">,
  table: ContainerTable,
): void {
  volumes.setUserLister(() => volumeUsers(table.all()));
  images.setUserLister((imageId) =>
    table
      .all()
      .flatMap((r) => (usesImage(r, imageId) ? [{ containerId: r.id, isRunning: isRunning(r) }] : [])),
  );
}

/** Names follow the containers' records from now on. */
function openNameService(
  { networks, table, policy }: { networks: NetworkService; table: ContainerTable; policy: NamePolicy },
  defaults: DnsOverrides,
  log: Log,
): NameService {
  const names = new ContainerNames({
    findNetwork: (id) => networks.get(id),
    findContainer: (id) => table.get(id),
    defaults,
  });
  table.observe((id, record) => (record === undefined ? names.remove(id) : names.update(record)));
  return { server: DnsServer.open({ names, policy, log: (line) => log("warn", line) }), names, defaults };
}

/** Who has connected to one of this process's unix sockets. */
async function peerOf(keel: Keel, fd: number): Promise<Peer> {
  const { results } = await keel.run([host.socketPeer(process.pid, fd)]);
  const [pid, uid, gid] = results[0] as [pid: number, uid: number, gid: number];
  return { pid, uid, gid };
}

async function daemonId(meta: MetaStore): Promise<string> {
  const records = meta.table<DaemonRecord>("daemon");
  const known = records.get("self");
  if (known !== undefined) return known.id;
  const record: DaemonRecord = { version: 1, id: newId() };
  await meta.commit([records.put("self", record)]);
  return record.id;
}

/** Removes the files of containers that a crash kept from being removed, or created. */
async function sweepContainerDirs(keel: Keel, dir: string, table: ContainerTable): Promise<void> {
  for (const name of await readdir(dir))
    if (table.get(name) === undefined) await keel.run([host.remove(join(dir, name))]);
}

/** Removes what the daemon keeps in its exec root, and the directory itself, unless a container or a plugin runs. */
async function removeExecRoot(dir: string): Promise<void> {
  for (const runs of [join(dir, "c"), join(dir, "p")])
    if (existsSync(runs) && !(await removeEmpty(runs))) return;
  const ours = (await readdir(dir)).filter(
    (name) => name === "agent.sock" || /^keel-[0-9a-z]{8,}$/.test(name),
  );
  for (const name of ours) await rm(join(dir, name), { force: true });
  for (const name of ["root", "stage", "steps", "plugins"]) await removeEmpty(join(dir, name));
  await removeEmpty(dir);
}

/** Makes a directory for files that do not outlive the daemon; what a killed one has left in it goes. */
async function makeEmpty(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true, mode: 0o700 });
}

async function removeEmpty(dir: string): Promise<boolean> {
  try {
    await rmdir(dir);
    return true;
  } catch {
    return false; // ignored: it is still in use
  }
}

/** Work that nobody waits for, except the end of the daemon. */
class Background {
  readonly #log: Log;
  readonly #running = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  run(what: string, work: () => Promise<void>): void {
    const done: Promise<void> = work()
      .catch((error: unknown) => this.#log("error", `cannot ${what}: ${messageOf(error)}`))
      .finally(() => this.#running.delete(done));
    this.#running.add(done);
  }

  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

/** Removes the parent cgroup of all containers, unless another engine uses it. */
async function removeCgroupParent(keel: Keel, cgroups: CgroupHost, parent: string): Promise<void> {
  for (const op of planCgroupParentRemoval(cgroups, parent)) {
    try {
      await keel.run([op]);
    } catch {
      // ignored: EBUSY means that another engine's containers are in it
    }
  }
}
