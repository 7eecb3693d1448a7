// The configuration of an image: what runs by default, its layers' diff ids and its history (OCI image
// specification, config.md, with Docker's further fields). Parsed from untrusted JSON, camelCase inside.
// Invariant: an image's id is the digest of the configuration's bytes as they came.

import { createHash } from "node:crypto";
import { compact, Fields, malformed, recordOf } from "./_json.ts";
import { type Digest, digestOf, parseDigest } from "./digest.ts";

declare const chainIdBrand: unique symbol;
declare const imageIdBrand: unique symbol;
/** Identifies a stack of layers by its content (config.md, "Layer ChainID"). */
export type ChainId = Digest & { readonly [chainIdBrand]: true };
/** Identifies an image: the digest of its configuration. */
export type ImageId = Digest & { readonly [imageIdBrand]: true };

export const MAX_CONFIG_BYTES = 8 << 20;

export interface Healthcheck {
  /** [] inherits, ["NONE"] disables, ["CMD", …] or ["CMD-SHELL", command]. */
  readonly test?: readonly string[];
  /** Durations are nanoseconds, 0 or absent inherits. */
  readonly intervalNanos?: number;
  readonly timeoutNanos?: number;
  readonly startPeriodNanos?: number;
  readonly startIntervalNanos?: number;
  readonly retries?: number;
  /** Not Docker's: what is done with a container that becomes unhealthy (none, restart, stop, kill). */
  readonly onFailure?: string;
}

/** The defaults of containers made from the image; `Config` in the file. */
export interface RunConfig {
  readonly user?: string;
  readonly exposedPorts?: readonly string[];
  readonly env?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly volumes?: readonly string[];
  readonly workingDir?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly stopSignal?: string;
  readonly stopTimeoutSeconds?: number;
  readonly shell?: readonly string[];
  readonly healthcheck?: Healthcheck;
  readonly onBuild?: readonly string[];
  readonly argsEscaped?: boolean;
}

export interface HistoryEntry {
  /** RFC 3339, as it was written. */
  readonly created?: string;
  readonly createdBy?: string;
  readonly author?: string;
  readonly comment?: string;
  /** The step made no layer. */
  readonly emptyLayer?: boolean;
}

export interface ImageConfig {
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
  /** RFC 3339 with up to nine digits of fraction, as it was written. */
  readonly created?: string;
  readonly author?: string;
  readonly config: RunConfig;
  /** Digests of the uncompressed layers, bottom first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
  /** Keys of the build steps that the image came from, for builds elsewhere (`--cache-to type=inline`). */
  readonly buildSteps?: readonly BuildStepEntry[];
}

/** A build step: what it is known by and what it made. */
export interface BuildStepEntry {
  readonly key: string;
  readonly created: string;
  /** Absent when it made no layer. */
  readonly diffId?: Digest;
}

/** Returns the configuration in `bytes`. Fails with invalidParameter when it is malformed or not an image's. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const doc = Fields.parse(bytes, "image configuration", MAX_CONFIG_BYTES);
  const rootfs = doc.object("rootfs");
  const type = rootfs?.string("type");
  if (type !== undefined && type !== "" && type !== "layers") throw malformed(`unknown rootfs type ${type}`);
  const run = doc.object("config");
  return {
    architecture: doc.string("architecture") ?? "",
    os: doc.string("os") ?? "",
    ...defined({
      variant: doc.string("variant") || undefined,
      osVersion: doc.string("os.version") || undefined,
      osFeatures: doc.strings("os.features"),
      created: doc.string("created"),
      author: doc.string("author") || undefined,
    }),
    config: run === undefined ? {} : parseRunConfig(run),
    diffIds: (rootfs?.strings("diff_ids") ?? []).map(parseDigest),
    history: (doc.objects("history") ?? []).map(parseHistory),
    ...defined({ buildSteps: doc.objects("berth.build-steps")?.map(parseBuildStep) }),
  };
}

function parseRunConfig(run: Fields): RunConfig {
  const healthcheck = run.object("Healthcheck");
  return defined({
    user: run.string("User") || undefined,
    exposedPorts: run.object("ExposedPorts")?.keys(),
    env: run.strings("Env"),
    entrypoint: run.strings("Entrypoint"),
    cmd: run.strings("Cmd"),
    volumes: run.object("Volumes")?.keys(),
    workingDir: run.string("WorkingDir") || undefined,
    labels: run.stringMap("Labels"),
    stopSignal: run.string("StopSignal") || undefined,
    stopTimeoutSeconds: run.integer("StopTimeout"),
    shell: run.strings("Shell"),
    healthcheck: healthcheck && parseHealthcheck(healthcheck),
    onBuild: run.strings("OnBuild"),
    argsEscaped: run.boolean("ArgsEscaped") || undefined,
  });
}

function parseHealthcheck(fields: Fields): Healthcheck {
  return defined({
    test: fields.strings("Test"),
    intervalNanos: fields.integer("Interval"),
    timeoutNanos: fields.integer("Timeout"),
    startPeriodNanos: fields.integer("StartPeriod"),
    startIntervalNanos: fields.integer("StartInterval"),
    retries: fields.integer("Retries"),
    onFailure: fields.string("OnFailure") || undefined,
  });
}

function parseBuildStep(fields: Fields): BuildStepEntry {
  const diffId = fields.string("diff_id");
  return {
    key: fields.string("key") ?? "",
    created: fields.string("created") ?? "",
    ...(diffId === undefined ? {} : { diffId: parseDigest(diffId) }),
  };
}

function parseHistory(fields: Fields): HistoryEntry {
  return defined({
    created: fields.string("created"),
    createdBy: fields.string("created_by"),
    author: fields.string("author"),
    comment: fields.string("comment"),
    emptyLayer: fields.boolean("empty_layer"),
  });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(object: T): Defined<T> {
  return compact(object as Record<string, unknown>) as Defined<T>;
}

/** Returns the configuration as JSON in Docker's key order, so that equal configurations have equal ids. */
export function encodeImageConfig(image: ImageConfig): Uint8Array {
  return Buffer.from(
    JSON.stringify(
      compact({
        architecture: image.architecture,
        variant: image.variant,
        config: encodeRunConfig(image.config),
        created: image.created,
        author: image.author,
        history: image.history.map((h) =>
          compact({
            created: h.created,
            created_by: h.createdBy,
            author: h.author,
            comment: h.comment,
            empty_layer: h.emptyLayer,
          }),
        ),
        os: image.os,
        "os.version": image.osVersion,
        "os.features": image.osFeatures,
        rootfs: { type: "layers", diff_ids: image.diffIds },
        "berth.build-steps": image.buildSteps?.map((step) =>
          compact({ key: step.key, created: step.created, diff_id: step.diffId }),
        ),
      }),
    ),
  );
}

function encodeRunConfig(run: RunConfig): Record<string, unknown> {
  const health = run.healthcheck;
  return compact({
    User: run.user,
    ExposedPorts: setOf(run.exposedPorts),
    Env: run.env,
    Entrypoint: run.entrypoint,
    Cmd: run.cmd,
    Healthcheck:
      health &&
      compact({
        Test: health.test,
        Interval: health.intervalNanos,
        Timeout: health.timeoutNanos,
        StartPeriod: health.startPeriodNanos,
        StartInterval: health.startIntervalNanos,
        Retries: health.retries,
        OnFailure: health.onFailure,
      }),
    ArgsEscaped: run.argsEscaped,
    Volumes: setOf(run.volumes),
    WorkingDir: run.workingDir,
    OnBuild: run.onBuild,
    Labels: run.labels && recordOf(Object.entries(run.labels).sort(([a], [b]) => (a < b ? -1 : 1))),
    StopSignal: run.stopSignal,
    StopTimeout: run.stopTimeoutSeconds,
    Shell: run.shell,
  });
}

/** Go writes a set as an object with empty values and sorted keys. */
function setOf(names: readonly string[] | undefined): Readonly<Record<string, object>> | undefined {
  return names && recordOf([...names].sort().map((name) => [name, {}] as const));
}

/** Returns the id of the image whose configuration is `configBytes`. */
export function imageIdOf(configBytes: Uint8Array): ImageId {
  return digestOf(configBytes) as ImageId;
}

/** Returns the chain id of `diffId` on top of `parent` (null: the bottom layer). */
export function chainIdOf(parent: ChainId | null, diffId: Digest): ChainId {
  if (parent === null) return diffId as ChainId;
  return `sha256:${createHash("sha256").update(`${parent} ${diffId}`).digest("hex")}` as ChainId;
}

/** Returns the chain ids of a stack of layers, bottom first. */
export function chainIdsOf(diffIds: readonly Digest[]): readonly ChainId[] {
  const chain: ChainId[] = [];
  for (const diffId of diffIds) chain.push(chainIdOf(chain.at(-1) ?? null, diffId));
  return chain;
}
