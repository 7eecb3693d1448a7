// What a solved step stands for: files (layers), configuration and history, and the image that would be made of them.

import { Fault } from "../../lib/errors.ts";
import type { Digest } from "../../oci/digest.ts";
import {
  type BuildStepEntry,
  type ChainId,
  chainIdOf,
  chainIdsOf,
  encodeImageConfig,
  type HistoryEntry,
  type ImageConfig,
  imageIdOf,
  MAX_CONFIG_BYTES,
  type RunConfig,
} from "../../oci/image-config.ts";
import type { Platform } from "../../oci/platform.ts";
import type { LayerId } from "../../storage/layer/types.ts";
import type { CacheRecord, SourceImage } from "./ports.ts";

/** A root file system as layers. */
export interface RootFiles {
  /** Bottom first. */
  readonly layers: readonly LayerId[];
  readonly diffIds: readonly Digest[];
  /** Identity of the content; "" for an empty root. */
  readonly chainId: ChainId | "";
}

/** A step that is done. */
export interface StepResult {
  /** Key of the step. */
  readonly key: string;
  readonly files: RootFiles;
  /** The image as of this step. */
  readonly image: ImageConfig;
  /** Its id; "" for scratch, which is no image. */
  readonly imageId: string;
  /** The encoded `image`; absent when the image is not ours but the base. */
  readonly config?: Uint8Array;
  /** Id of the step before, "" behind scratch. */
  readonly parentId: string;
  /** The steps so far, of this build. */
  readonly steps: readonly BuildStepEntry[];
}

const EMPTY_FILES: RootFiles = { layers: [], diffIds: [], chainId: "" };

/** Returns the result of FROM an image. */
export function resultOfImage(image: SourceImage, key: string): StepResult {
  const { diffIds } = image.config;
  return {
    key,
    files: { layers: image.layers, diffIds, chainId: chainIdsOf(diffIds).at(-1) ?? "" },
    image: image.config,
    imageId: image.id,
    parentId: "",
    steps: [],
  };
}

/** Returns the result of FROM scratch. */
export function resultOfScratch(platform: Platform, key: string): StepResult {
  const image: ImageConfig = {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    config: {},
    diffIds: [],
    history: [],
  };
  return { key, files: EMPTY_FILES, image, imageId: "", parentId: "", steps: [] };
}

/** What a step adds to its parent. */
export interface StepAddition {
  readonly key: string;
  readonly record: CacheRecord;
  /** The layer of `record.diffId`. */
  readonly layer: LayerId | undefined;
  readonly config: RunConfig;
  readonly author: string;
  /** Undefined: the history does not speak of the step. */
  readonly createdBy: string | undefined;
  readonly comment?: string;
}

/** Returns the content identity of a root with one more layer. */
export function chainWith(files: RootFiles, diffId: Digest): ChainId {
  return chainIdOf(files.chainId === "" ? null : files.chainId, diffId);
}

function addLayer(files: RootFiles, layer: LayerId | undefined, diffId: Digest | undefined): RootFiles {
  if (layer === undefined || diffId === undefined) return files;
  return {
    layers: [...files.layers, layer],
    diffIds: [...files.diffIds, diffId],
    chainId: chainWith(files, diffId),
  };
}

function historyOf(step: StepAddition): HistoryEntry[] {
  if (step.createdBy === undefined) return [];
  return [
    {
      created: step.record.createdAt,
      createdBy: step.createdBy,
      // compat: BuildKit's history names no author.
      ...(step.author === "" || step.comment !== undefined ? {} : { author: step.author }),
      ...(step.comment === undefined ? {} : { comment: step.comment }),
      ...(step.record.diffId === undefined ? { emptyLayer: true } : {}),
    },
  ];
}

/** Returns the result of a step on top of its parent's. */
export function resultOfStep(parent: StepResult, step: StepAddition): StepResult {
  const files = addLayer(parent.files, step.layer, step.record.diffId);
  const history = [...parent.image.history, ...historyOf(step)];
  const { author: _, buildSteps: __, ...base } = parent.image;
  const image: ImageConfig = {
    ...base,
    created: step.record.createdAt,
    ...(step.author === "" ? {} : { author: step.author }),
    config: step.config,
    diffIds: files.diffIds,
    history,
  };
  const config = encodeImageConfig(image);
  if (config.length > MAX_CONFIG_BYTES) {
    throw new Fault(
      "invalidParameter",
      `the image's configuration is larger than ${MAX_CONFIG_BYTES} bytes`,
      {
        code: "build.config-size",
      },
    );
  }
  const { createdAt, diffId } = step.record;
  const made: BuildStepEntry = {
    key: step.key,
    created: createdAt,
    ...(diffId === undefined ? {} : { diffId }),
  };
  const steps = [...parent.steps, made];
  return { key: step.key, files, image, imageId: imageIdOf(config), config, parentId: parent.imageId, steps };
}

/** Returns the result with its steps written into the image, for builds elsewhere. */
export function withSteps(result: StepResult): StepResult {
  const config = encodeImageConfig({ ...result.image, buildSteps: result.steps });
  return { ...result, config, imageId: imageIdOf(config) };
}
