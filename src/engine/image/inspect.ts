// How images look from outside: ImageInspect, ImageList items, ImageHistory. Pure over records.
import type { HealthConfig } from "../../api/schemas/container.ts";
import type {
  ImageConfig as ApiImageConfig,
  ImageHistory,
  ImageInspect,
  ImageSummary,
} from "../../api/schemas/image.ts";
import { parseNano, ZERO_TIME } from "../../lib/time.ts";
import type { Healthcheck, HistoryEntry, RunConfig } from "../../oci/image-config.ts";
import type { LayerRecord } from "../../storage/layer/types.ts";
import { configOf, type ImageRecord } from "./record.ts";

/** What is known about an image beyond its record. */
export interface ImageFacts {
  tags: readonly string[];
  lastTagTime: string;
  /** Containers made from it, -1 when not counted. */
  containers: number;
  /** Bytes in layers that other images have, too; -1 when not computed. */
  sharedBytes: number;
  graph: Readonly<Record<string, string>>;
}

export function inspectOf(image: ImageRecord, facts: ImageFacts): ImageInspect {
  const c = configOf(image);
  return {
    Id: image.id,
    RepoTags: [...facts.tags],
    RepoDigests: [...image.repoDigests].map(familiarDigest),
    Parent: image.parentId,
    Comment: c.history.at(-1)?.comment ?? "",
    Created: c.created ?? ZERO_TIME,
    Author: c.author ?? "",
    Config: apiConfig(c.config),
    Architecture: c.architecture,
    ...(c.variant === undefined ? {} : { Variant: c.variant }),
    Os: c.os,
    ...(c.osVersion === undefined ? {} : { OsVersion: c.osVersion }),
    Size: image.sizeBytes,
    GraphDriver: { Data: { ...facts.graph }, Name: "overlay2" },
    RootFS: { Type: "layers", ...(c.diffIds.length === 0 ? {} : { Layers: [...c.diffIds] }) },
    Metadata: { LastTagTime: facts.lastTagTime || ZERO_TIME },
  };
}

/** compat: digests are shown under the name without docker.io/library. */
function familiarDigest(text: string): string {
  return text.replace(/^docker\.io\/(library\/)?/, "");
}

/** Returns the API's form of an image's run configuration. */
export function apiConfig(c: RunConfig): ApiImageConfig {
  const set = (names: readonly string[] | undefined): Record<string, Record<never, never>> | undefined =>
    names === undefined || names.length === 0 ? undefined : Object.fromEntries(names.map((n) => [n, {}]));
  return defined({
    User: c.user,
    ExposedPorts: set(c.exposedPorts),
    Env: copy(c.env),
    Entrypoint: copy(c.entrypoint),
    Cmd: copy(c.cmd),
    Volumes: set(c.volumes),
    WorkingDir: c.workingDir,
    Labels: c.labels === undefined ? undefined : { ...c.labels },
    StopSignal: c.stopSignal,
    ArgsEscaped: c.argsEscaped,
    Healthcheck: c.healthcheck === undefined ? undefined : apiHealthcheck(c.healthcheck),
    OnBuild: copy(c.onBuild),
    Shell: copy(c.shell),
  });
}

const copy = (list: readonly string[] | undefined): string[] | undefined =>
  list === undefined ? undefined : [...list];

function apiHealthcheck(h: Healthcheck): HealthConfig {
  return defined({
    Test: copy(h.test),
    Interval: h.intervalNanos,
    Timeout: h.timeoutNanos,
    StartPeriod: h.startPeriodNanos,
    StartInterval: h.startIntervalNanos,
    Retries: h.retries,
    OnFailure: h.onFailure,
  });
}

function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, v]) => v !== undefined)) as never;
}

const secondsOf = (time: string | undefined): number =>
  Number((parseNano(time ?? "") ?? 0n) / 1_000_000_000n);

export function summaryOf(image: ImageRecord, facts: ImageFacts): ImageSummary {
  const c = configOf(image);
  return {
    Containers: facts.containers,
    Created: secondsOf(c.created),
    Id: image.id,
    Labels: c.config.labels === undefined ? null : { ...c.config.labels },
    ParentId: image.parentId,
    RepoDigests: image.repoDigests.map(familiarDigest),
    RepoTags: [...facts.tags],
    SharedSize: facts.sharedBytes,
    Size: image.sizeBytes,
  };
}

/** An image that a history's step made: this one, or one of its parents on this host. */
export interface HistoryImage {
  image: ImageRecord;
  tags: readonly string[];
}

/**
 * Returns the steps that made the image, newest first. A step has the id of the image it made, when that is still here:
 * `lineage` is the image and its parents, youngest first.
 */
export function historyOf(lineage: readonly HistoryImage[], layers: readonly LayerRecord[]): ImageHistory {
  const image = (lineage[0] as HistoryImage).image;
  const c = configOf(image);
  // Configurations without a history still have layers to show.
  const entries: readonly HistoryEntry[] = c.history.length > 0 ? c.history : layers.map(() => ({}));
  let layer = 0;
  const rows = entries.map((h) => ({
    Comment: h.comment ?? "",
    Created: secondsOf(h.created),
    CreatedBy: h.createdBy ?? "",
    Id: "<missing>",
    Size: h.emptyLayer ? 0 : (layers[layer++]?.sizeBytes ?? 0),
    Tags: null as string[] | null,
  }));
  for (const [i, step] of lineage.entries()) {
    const row = i === 0 ? rows.at(-1) : rows[configOf(step.image).history.length - 1];
    if (row === undefined) continue;
    row.Id = step.image.id;
    row.Tags = step.tags.length === 0 ? null : [...step.tags];
  }
  return rows.reverse();
}
