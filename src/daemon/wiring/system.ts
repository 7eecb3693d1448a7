// What the daemon says about itself.
import { API_VERSION, MIN_API_VERSION } from "../../api/contract.ts";
import type { SystemDependencies, SystemFacts } from "../../engine/system/service.ts";
import { SystemService } from "../../engine/system/service.ts";
import { newId } from "../../lib/id.ts";
import { BERTH_COMMIT, BERTH_VERSION } from "../../lib/version.ts";
import { loadCgroupFeatures } from "../../linux/cgroupfs/features.ts";
import { hasAppArmor } from "../../runtime/apparmor/load.ts";
import type { MetaStore } from "../../storage/meta/store.ts";
import type { OpenConfig } from "../wiring.ts";
import type { Containers } from "./containers.ts";
import type { Images } from "./images.ts";

/** What is kept of the daemon itself (table `daemon`, key `self`). */
interface DaemonRecord {
  readonly version: 1;
  readonly id: string;
}

/** Returns the daemon's own number, which it has from its first start on. */
export async function daemonId(meta: MetaStore): Promise<string> {
  const records = meta.table<DaemonRecord>("daemon");
  const known = records.get("self");
  if (known !== undefined) return known.id;
  const record: DaemonRecord = { version: 1, id: newId() };
  await meta.commit([records.put("self", record)]);
  return record.id;
}

/** What changes while the daemon runs. */
export type LiveFacts = Pick<
  SystemFacts,
  "daemonId" | "isLiveRestore" | "isDebug" | "labels" | "authorizationPlugins"
>;

export function openSystem(
  config: OpenConfig,
  live: LiveFacts,
  { registries }: Images,
  { context: { cgroups, defaults } }: Containers,
  dependencies: SystemDependencies,
): SystemService {
  const facts: SystemFacts = {
    ...live,
    version: BERTH_VERSION,
    commit: BERTH_COMMIT,
    apiVersion: API_VERSION,
    minApiVersion: MIN_API_VERSION,
    dataRoot: config.dataRoot,
    cgroupVersion: cgroups.mode === "unified" ? "2" : "1",
    features: loadCgroupFeatures(cgroups),
    seccompProfile: config.security.seccompProfile,
    hasNoNewPrivileges: config.security.defaults.noNewPrivileges,
    isRemapped: config.idMap !== undefined,
    cgroupDriver: cgroups.mode === "none" ? "none" : config.engine.cgroupDriver,
    isRootless: config.rootless !== undefined,
    registries,
    hasAppArmor: hasAppArmor(),
    cgroupnsMode: defaults.cgroupnsMode,
    isExperimental: config.engine.isExperimental,
    cdiSpecDirs: config.engine.cdiSpecDirs,
    logDriver: config.logDriver,
    runtimes: defaults.runtimes,
  };
  return new SystemService(facts, dependencies);
}
