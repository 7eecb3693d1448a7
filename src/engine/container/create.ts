// Creates a container: request and image make a record, one commit, and the writable directories. No mount, no process.
import { hostname } from "node:os";
import type { Call } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { containerCreate } from "../../api/operations/container.ts";
import type { ContainerCreateResponse } from "../../api/schemas/container.ts";
import type { HostConfig } from "../../api/schemas/host-config.ts";
import { isAtLeast } from "../../lib/version-order.ts";
import { Fault } from "../../lib/errors.ts";
import { newId } from "../../lib/id.ts";
import {
  formatPlatform,
  hostPlatform,
  parsePlatform,
  type Platform,
  platformDistance,
} from "../../oci/platform.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { followSteps } from "../../lib/steps.ts";
import { generateSpec } from "../../runtime/spec/generate.ts";
import { completeConfig } from "./config.ts";
import { withJoinedIds } from "./host-config/modes.ts";
import { settleRequest } from "./host-config/settle.ts";
import { limitRoot, projectOf } from "./host-config/root-size.ts";
import { chooseIds } from "./host-config/userns.ts";
import { type ContainerContext, publish } from "./context.ts";
import { adaptHealthcheck, checkReaction, checkTest } from "./health/config.ts";
import { fillVolumes } from "./mounts/fill.ts";
import { type ResolvedMounts, resolveMounts } from "./mounts/resolve.ts";
import { specMounts } from "./mounts/use.ts";
import { adaptHostConfig } from "./host-config/version.ts";
import { checkNameIsFree, generateName, parseName } from "./names.ts";
import { portRequests } from "./ports.ts";
import { checkNewEgress } from "./network/egress.ts";
import { endpointsOf } from "./network/endpoints.ts";
import { adaptNetworks } from "./network/older-clients.ts";
import { linksOf } from "./network/links.ts";
import { networkOf } from "./network/sandbox.ts";
import { type ContainerRecord, NEVER_RAN } from "./record.ts";
import { parseSignal } from "./signals.ts";
import { newCgroupPlace } from "./run/cgroup.ts";
import { specInputOf } from "./spec/input.ts";
import { planLog } from "./log/plan.ts";

type CreateInput = InputOf<typeof containerCreate>;

/** Creates a container. Fails with notFound (image), conflict (name), invalidParameter, notImplemented. */
export async function createContainer(
  context: ContainerContext,
  input: CreateInput,
  call: Call,
): Promise<ContainerCreateResponse> {
  const steps = followSteps("create");
  const adapted = adaptNetworks(input.body, call.version);
  const body = {
    ...adapted.body,
    HostConfig: adaptHostConfig(adapted.body.HostConfig, call.version),
    ...(input.body.Healthcheck
      ? { Healthcheck: adaptHealthcheck(input.body.Healthcheck, call.version) }
      : {}),
  };
  // Before the image: whoever has to pull it for an answer wants to know first what else is wrong.
  const settled = settleRequest(body, context.defaults);
  if (input.platform) parsePlatform(input.platform);
  const image = context.images.resolve(body.Image ?? "", input.platform);
  const id = newId();
  newCgroupPlace(context, settled.hostConfig.CgroupParent, id); // a parent that cannot be is refused
  const hostConfig = withJoinedIds(
    settled.hostConfig,
    (other) => asParameter(() => context.table.find(other)).id,
  );
  using ids = chooseIds(hostConfig, context);
  const external = context.defaults.runtimes.choose(body.HostConfig.Runtime);
  const config = completeConfig(body, image.config.config, defaultHostname(context, hostConfig, id));
  checkReaction(body.Healthcheck, config);
  const name = chooseName(context, input.name);
  using _ = context.table.reserveName(name);
  const [path = "", ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  // All that is looked up comes before the volumes, which are made here: whatever fails from then on takes them back.
  const endpoints = endpointsOf(context.networks, body, hostConfig, call.version);
  const links = linksOf(context.table, hostConfig);
  checkNewEgress(
    { config, hostConfig },
    endpoints.map((e) => networkOf(context.networks, e)),
  );
  using mounts = await resolveMounts(context, {
    id,
    config,
    hostConfig,
    isReadonlyShallow: !isAtLeast(call.version, "1.44"),
  });
  const record: ContainerRecord = {
    version: 1,
    id,
    name,
    createdAt: formatNano(nowNano()),
    imageId: image.id,
    layer: image.topLayer,
    platform: "linux",
    path,
    args,
    config,
    hostConfig,
    endpoints,
    links,
    ...(ids.idMap === undefined ? {} : { idMap: ids.idMap }),
    ...(ids.hasOwnRange ? { hasOwnRange: true } : {}),
    ...(external === null ? {} : { external }),
    ...projectOf(context, hostConfig),
    ...(mounts.mounts.length === 0 ? {} : { mounts: mounts.mounts }),
    state: NEVER_RAN,
  };
  steps.done("record");
  const warnings = new Set([
    ...settled.warnings,
    ...foreignPlatform(input, image.config),
    ...(await settle(context, record, mounts)),
    ...volumeDriverWarning(hostConfig),
    ...adapted.warnings,
  ]);
  steps.done("files-and-commit");
  steps.end();
  publish(context, record, "create");
  return { Id: id, Warnings: [...warnings] };
}

/** Judges the record, makes what it needs on disk, and commits it with its volumes; what fails leaves nothing. */
async function settle(
  context: ContainerContext,
  record: ContainerRecord,
  mounts: ResolvedMounts,
): Promise<string[]> {
  try {
    const warnings = validate(context, record);
    await limitRoot(context, record, await context.layers.createUpper(record.id, record.idMap));
    await fillVolumes(context, record);
    await context.table.add(record, context.volumes.settle(mounts.pending));
    return warnings;
  } catch (error) {
    await context.layers.removeUpper(record.id);
    await context.disk.removeTree(context.paths.dir(record.id));
    await mounts.abandon();
    throw error;
  }
}

/** compat: the driver of `--volume-driver` is for `-v` alone. */
function volumeDriverWarning(h: HostConfig): string[] {
  const ignored = (h.Mounts ?? []).some((m) => m.Type === "volume" && !m.VolumeOptions?.DriverConfig?.Name);
  return h.VolumeDriver === "" || !ignored
    ? []
    : [
        "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead",
      ];
}

/** An image for other machines is not refused where nobody asked for a platform: an emulator may be set up for it. */
function foreignPlatform(input: CreateInput, image: Platform): string[] {
  const host = hostPlatform();
  if (input.platform || platformDistance(host, image) !== undefined) return [];
  return [
    `The requested image's platform (${formatPlatform(image)}) does not match the detected host platform (${formatPlatform(host)}) and no specific platform was requested`,
  ];
}

function chooseName(context: ContainerContext, wanted: string | undefined): string {
  if (wanted === undefined) return generateName((n) => context.table.isNameTaken(n));
  const name = parseName(wanted);
  checkNameIsFree(context.table, name);
  return name;
}

/** compat: whoever shares a network shares its host name: the host's, or the other container's. */
function defaultHostname(context: ContainerContext, h: HostConfig, id: string): string {
  if (h.NetworkMode === "host") return hostname();
  if (!h.NetworkMode.startsWith("container:")) return id.slice(0, 12);
  return context.table.find(h.NetworkMode.slice(10)).config.Hostname;
}

/** Clients take "not found" as the image's and pull it: what else is unknown is a wrong parameter here. */
function asParameter<T>(find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== "notFound") throw error;
    throw new Fault("invalidParameter", error.message, { code: error.code, cause: error });
  }
}

/** Refuses now what would fail at every start; returns the runtime's warnings. */
function validate(context: ContainerContext, record: ContainerRecord): string[] {
  const { config, hostConfig } = record;
  if (config.StopSignal) parseSignal(config.StopSignal);
  if (config.WorkingDir !== "" && !config.WorkingDir.startsWith("/"))
    throw new Fault(
      "invalidParameter",
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
      { code: "container.workdir" },
    );
  portRequests(hostConfig, Object.keys(config.ExposedPorts ?? {}));
  planLog(record, "/");
  const mounts = specMounts(record, (m) => context.layers.overlayOf(m.layer ?? null));
  const warnings = checkTest(config.Healthcheck?.Test ?? []);
  return [
    ...generateSpec(specInputOf(record, context.paths, () => process.pid, mounts)).warnings,
    ...warnings,
  ];
}
