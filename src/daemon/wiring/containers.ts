// Containers, and what they are made with: plugins, volumes, logs, runtimes, names.
import { type ContainerContext, ContainerPaths } from "../../engine/container/context.ts";
import { containerKeeper, keptContainers, recoverKept } from "../../engine/container/keep.ts";
import { IdRanges } from "../../engine/container/host-config/id-ranges.ts";
import { LogService } from "../../engine/container/log/service.ts";
import { usesImage, volumeUsers } from "../../engine/container/mounts/points.ts";
import { connectContainer, disconnectContainer } from "../../engine/container/network/connect.ts";
import { membersOf } from "../../engine/container/network/members.ts";
import type { NameService } from "../../engine/container/network/name-service.ts";
import { ContainerNames } from "../../engine/container/network/names.ts";
import { remakeDevice } from "../../engine/container/network/remake.ts";
import { isRunning } from "../../engine/container/record.ts";
import { Runtimes } from "../../engine/container/runtime/runtimes.ts";
import { ContainerService } from "../../engine/container/service.ts";
import { ContainerTable } from "../../engine/container/table.ts";
import type { KeptStore } from "../../engine/kept/store.ts";
import type { NetworkService } from "../../engine/network/service.ts";
import { PluginPaths } from "../../engine/plugin/context.ts";
import { PluginService } from "../../engine/plugin/service.ts";
import { VolumeCatalog } from "../../engine/volume/catalog.ts";
import { PluginDrivers } from "../../engine/volume/plugin/drivers.ts";
import { PLUGIN_DIRS } from "../../lib/plugin-protocol/locate.ts";
import { FilePlugins, inOrder, type PluginLookup } from "../../lib/plugin-protocol/lookup.ts";
import { loadCgroupHost } from "../../linux/cgroupfs/hierarchy.ts";
import { outsideRoot } from "../../linux/idmap.ts";
import type { NamePolicy } from "../../net/dns/ports.ts";
import type { DnsOverrides } from "../../net/dns/resolv-conf.ts";
import { DnsServer } from "../../net/dns/server.ts";
import { delegateControllers } from "../../runtime/cgroup/delegation.ts";
import { DEFAULT_CGROUP_PARENT } from "../../runtime/cgroup/plan.ts";
import { READONLY_PATHS } from "../../runtime/spec/defaults.ts";
import { defaultMaskedPaths } from "../../runtime/spec/generate.ts";
import { loadSpecHost } from "../../runtime/spec/host.ts";
import type { SystemdDriver } from "../../runtime/systemd/driver.ts";
import { ProjectIds } from "../../storage/project-quota.ts";
import { LocalVolumes } from "../../storage/volume/local.ts";
import { engineDefaultsOf } from "../container-config.ts";
import type { Log } from "../log.ts";
import { loadIdPool, noIdPool } from "../userns-remap.ts";
import type { OpenConfig } from "../wiring.ts";
import type { Background } from "./background.ts";
import type { Floor } from "./floor.ts";
import type { Images } from "./images.ts";
import type { Networks } from "./networks.ts";

const JOURNAL_SOCKET = "/run/systemd/journal/socket";

/** What is there before containers are. */
export interface Before extends Omit<Networks, "firewallTable">, Images {
  readonly floor: Floor;
  readonly kept: KeptStore;
  readonly background: Background;
  /** Where it is to make the cgroups. */
  readonly systemd: SystemdDriver | undefined;
}

export interface Containers {
  readonly context: ContainerContext;
  readonly containers: ContainerService;
  readonly localVolumes: LocalVolumes;
  readonly plugins: PluginService;
  readonly pluginLookup: PluginLookup;
}

/** Opens them, and takes over what runs or has ended meanwhile; `stack` closes what has to be closed. */
export async function openContainers(
  before: Before,
  config: OpenConfig,
  stack: AsyncDisposableStack,
  log: Log,
): Promise<Containers> {
  const { floor, bridge, networks, images, kept, background, systemd } = before;
  const { meta, disk, keel, keelPath, layers, events, execRoot } = floor;
  const table = new ContainerTable(meta, layers.holds);
  const nameService = openNameService({ networks, table, policy: bridge }, config.dns, log);
  stack.use(nameService.server);
  const localVolumes = await openLocalVolumes(floor, config, log);
  stack.defer(() => localVolumes.close());
  const cgroups = systemd?.host ?? loadCgroupHost();
  if (systemd === undefined && (await delegateControllers(cgroups, (ops) => keel.run(ops))))
    log("info", "moved the processes of this cgroup into a leaf, so that containers get its controllers");
  const cgroupParent = config.cgroupParent || DEFAULT_CGROUP_PARENT;
  const paths = new ContainerPaths(config.dataRoot, execRoot.dir, keelPath);
  const plugins = await PluginService.open(
    {
      store: meta,
      disk,
      keel,
      layers,
      images: { content: floor.content, registries: before.registries, transfers: before.transfers },
      events,
      cgroups,
      cgroupParent,
      systemd,
      security: config.security.defaults,
      paths: new PluginPaths(config.dataRoot, execRoot.dir, paths),
      log,
    },
    { stops: !config.liveRestore },
  );
  const pluginLookup = inOrder([plugins.lookup, new FilePlugins(PLUGIN_DIRS)]);
  const inBackground: ContainerContext["inBackground"] = (what, work) => background.run(what, work);
  const context: ContainerContext = {
    table,
    keel,
    disk,
    layers,
    images,
    networks,
    nameService,
    volumes: new VolumeCatalog({
      store: meta,
      local: localVolumes,
      plugins: new PluginDrivers({ lookup: pluginLookup, log: (line) => log("info", line) }),
      events,
      kept,
      log: (line) => log("warn", line),
    }),
    events,
    kept,
    cgroups,
    cgroupParent,
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
      ...engineDefaultsOf(config.containers, cgroups.mode === "unified"),
      maskedPaths: defaultMaskedPaths(loadSpecHost()),
      readonlyPaths: READONLY_PATHS,
      runtimes: new Runtimes(config.runtimes),
      isLogPlugin: (name) => plugins.logPlugin(name) !== undefined,
    },
    hostGatewayIps: config.engine.hostGatewayIps,
    cdiSpecDirs: config.engine.cdiSpecDirs,
    paths,
    logs: new LogService({
      paths,
      keel,
      plugins: plugins.lookup,
      journalSocket: process.env["BERTH_JOURNAL_SOCKET"] ?? JOURNAL_SOCKET,
      log,
      inBackground,
    }),
    log,
    inBackground,
    unhealthy: (id) => containers.unhealthy(id),
  };
  const containers: ContainerService = new ContainerService(context);
  kept.setOwner("container", containerKeeper(context));
  await recoverKept(context);
  connectConcepts(context);
  await containers.restore({ stops: !config.liveRestore });
  return { context, containers, localVolumes, plugins, pluginLookup };
}

async function openLocalVolumes({ keel, disk }: Floor, config: OpenConfig, log: Log): Promise<LocalVolumes> {
  return LocalVolumes.open({
    dir: config.dataRoot,
    keel,
    disk,
    owner: config.idMap === undefined ? undefined : outsideRoot(config.idMap),
    log: (line) => log("info", line),
  });
}

/** Tells images, volumes and networks who uses them. */
function connectConcepts(context: ContainerContext): void {
  const { images, volumes, networks, table } = context;
  volumes.setUserLister(() => volumeUsers(table.all()));
  images.setUserLister((imageId) =>
    table
      .all()
      .flatMap((r) =>
        usesImage(r, imageId)
          ? [{ containerId: r.id, isRunning: isRunning(r), imageName: r.config.Image }]
          : [],
      ),
  );
  networks.setMembers({
    list: (networkId) => membersOf(table, networkId),
    connect: (input) => connectContainer(context, input),
    disconnect: (input) => disconnectContainer(context, input),
    remakeDevice: (endpoint) => remakeDevice(context, endpoint),
  });
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
