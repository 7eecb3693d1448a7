// ImageCommit: an image made of a container's files and configuration (`docker commit`).
import type { InputOf } from "../../api/contract.ts";
import type { imageCommit } from "../../api/operations/container.ts";
import type { CommitResponse, ContainerConfig, ContainerConfigRequest } from "../../api/schemas/container.ts";
import { applyConfigChanges } from "../../build/graph/config-changes.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { encodeImageConfig, type HistoryEntry, imageIdOf, type RunConfig } from "../../oci/image-config.ts";
import { hostPlatform } from "../../oci/platform.ts";
import { familiarString, parseReference, withDefaultTag, withTag } from "../../oci/reference.ts";
import type { LayerRecord } from "../../storage/layer/types.ts";
import { type ContainerContext, publish } from "./context.ts";
import { healthcheckOf } from "./health/config.ts";
import { holdStill } from "./run/pause.ts";

/** Digest of a tar without entries. */
const EMPTY_TAR = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

type CommitInput = InputOf<typeof imageCommit>;

/** Commits a container; it is frozen meanwhile unless `pause` says no. Fails with notFound or invalidParameter. */
export async function commitContainer(
  context: ContainerContext,
  input: CommitInput,
): Promise<CommitResponse> {
  const record = context.table.find(input.container ?? "");
  const name = input.repo === undefined ? undefined : parseReference(input.repo);
  const tagged =
    name === undefined
      ? undefined
      : input.tag === undefined
        ? withDefaultTag(name)
        : withTag(name, input.tag);
  const run = applyConfigChanges(runConfigOf(record.config, input.body ?? {}), input.changes);
  const created = formatNano(nowNano());
  const entry: HistoryEntry = {
    created,
    createdBy: [record.path, ...record.args].join(" "),
    ...(input.author === undefined ? {} : { author: input.author }),
    ...(input.comment === undefined ? {} : { comment: input.comment }),
  };
  await using _pause = input.pause ? await holdStill(context, context.table.live(record.id)) : undefined;
  using lease = context.layers.lease();
  const upper = context.layers.upperOf(record.id, record.idMap);
  const layer = await context.layers.commitUpper(upper, record.layer, { history: entry, lease });
  const below = context.images.historyOf(record.imageId);
  // compat: a container that changed nothing adds a line to the history and no layer.
  const isEmpty = layer.diffId === EMPTY_TAR;
  const top = isEmpty ? record.layer : layer.id;
  const layers = top === null ? [] : context.layers.chain(top).reverse();
  const config = encodeImageConfig({
    architecture: below?.architecture ?? hostPlatform().architecture,
    os: "linux",
    created,
    ...(input.author === undefined ? {} : { author: input.author }),
    config: run,
    diffIds: layers.map((l: LayerRecord) => l.diffId),
    history: [...(below?.history ?? []), isEmpty ? { ...entry, emptyLayer: true } : entry],
  });
  const id = imageIdOf(config);
  await context.images.add({
    version: 1,
    id,
    configText: Buffer.from(config).toString("utf8"),
    layers: layers.map((l) => l.id),
    sizeBytes: layers.reduce((sum, l) => sum + l.sizeBytes, 0),
    repoDigests: [],
    parentId: record.imageId,
    isIntermediate: false,
  });
  if (isEmpty) {
    lease.release();
    await context.images.removeUnneededLayers(layer.id);
  }
  if (tagged !== undefined) await context.images.addName(context.images.find(id), tagged);
  publish(context, record, "commit", {
    comment: input.comment ?? "",
    imageID: id,
    imageRef: tagged === undefined ? "" : familiarString(tagged),
  });
  return { Id: id };
}

/** The container's configuration as an image's, with what the request sets instead. */
function runConfigOf(c: ContainerConfig, r: ContainerConfigRequest): RunConfig {
  const keys = (set: object | null | undefined): string[] => Object.keys(set ?? {});
  const exposed = [...new Set([...keys(c.ExposedPorts), ...keys(r.ExposedPorts)])];
  const volumes = [...new Set([...keys(c.Volumes), ...keys(r.Volumes)])];
  const env = r.Env ?? c.Env ?? [];
  const cmd = r.Cmd ?? c.Cmd;
  const entrypoint = r.Entrypoint ?? c.Entrypoint;
  const labels = { ...c.Labels, ...r.Labels };
  const healthcheck = r.Healthcheck ?? c.Healthcheck;
  return {
    ...text("user", r.User || c.User),
    ...(exposed.length === 0 ? {} : { exposedPorts: exposed }),
    ...(env.length === 0 ? {} : { env: [...env] }),
    ...(cmd === null ? {} : { cmd: [...cmd] }),
    ...(entrypoint === null ? {} : { entrypoint: [...entrypoint] }),
    ...(volumes.length === 0 ? {} : { volumes }),
    ...text("workingDir", r.WorkingDir || c.WorkingDir),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...text("stopSignal", r.StopSignal || c.StopSignal),
    ...(healthcheck ? { healthcheck: healthcheckOf(healthcheck) } : {}),
    ...(c.OnBuild ? { onBuild: [...c.OnBuild] } : {}),
    ...(c.Shell ? { shell: [...c.Shell] } : {}),
  };
}

function text<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return (value ? { [key]: value } : {}) as { [P in K]?: string };
}
