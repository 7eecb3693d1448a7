// The builder: its cache, its scratch files, and the containers that its steps run in.
import { join } from "node:path";
import { BuildCache } from "../../engine/build/cache/cache.ts";
import { CacheMountStore } from "../../engine/build/cache/mounts.ts";
import { imageSource, layerSink } from "../../engine/build/ports.ts";
import { BuildService } from "../../engine/build/service.ts";
import { StepHistoryFiles } from "../../engine/build/step-history.ts";
import { ContainerStepRunner } from "../../engine/build/step-runner.ts";
import type { ContainerContext } from "../../engine/container/context.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { loadCdiDevices } from "../../runtime/cdi/load.ts";
import type { OpenConfig } from "../wiring.ts";
import { makeEmpty } from "./exec-root.ts";
import type { Floor } from "./floor.ts";

export interface BuildCaches {
  readonly cache: BuildCache;
  readonly cacheMounts: CacheMountStore;
}

/** Opens the cache. It holds layers, and so has to be there before what nobody holds is removed. */
export async function openBuildCaches(
  { meta, keel, layers }: Floor,
  { dataRoot }: OpenConfig,
): Promise<BuildCaches> {
  const now = (): string => formatNano(nowNano());
  const dir = join(dataRoot, "build-mounts");
  const cacheMounts = await CacheMountStore.open({ store: meta, keel, dir, now });
  return {
    cacheMounts,
    cache: new BuildCache({ store: meta, layers, mounts: cacheMounts, dataRoot, now }),
  };
}

export async function openBuild(
  { keel, layers, events, execRoot }: Floor,
  context: ContainerContext,
  { cache, cacheMounts }: BuildCaches,
  config: OpenConfig,
): Promise<BuildService> {
  const scratchRoot = join(config.dataRoot, "tmp");
  const stepsDir = execRoot.path("steps");
  await Promise.all([scratchRoot, stepsDir].map(makeEmpty));
  return new BuildService({
    ports: {
      images: imageSource(context.images, layers),
      steps: new ContainerStepRunner(context, stepsDir),
      devices: () => loadCdiDevices(config.engine.cdiSpecDirs),
      cache,
      history: new StepHistoryFiles(join(config.dataRoot, "build-history")),
      cacheMounts,
    },
    layerSink: (lease) => layerSink({ layers, keel, mountTarget: execRoot.path("root") }, lease),
    limits: config.buildCache,
    inBackground: (what, work) => context.inBackground(what, work),
    images: context.images,
    layers,
    events,
    scratchRoot,
  });
}
