// Runs one build on the daemon's ports and names the result; which client asked, and how it is answered, is not known here.
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { buildImage } from "../../build/build-image.ts";
import { BlobStore } from "../../build/context/blobs.ts";
import { openRemote } from "../../build/context/contexts.ts";
import type { ContextTree } from "../../build/context/context-tree.ts";
import type { BuildEvent } from "../../build/events.ts";
import {
  type CheckedDockerfile,
  checkDockerfile,
  type DescribedDockerfile,
  describeDockerfile,
} from "../../build/read-dockerfile.ts";
import type { BuildRequest, BuildResult } from "../../build/request.ts";
import { StepFlights } from "../../build/solver/flights.ts";
import type { BuildPorts, LayerSink } from "../../build/solver/ports.ts";
import { removeScratch } from "../../build/solver/scratch.ts";
import { Fault } from "../../lib/errors.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { familiarString, parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import type { LayerLease } from "../../storage/layer/holds.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { ImageService } from "../image/service.ts";
import type { BuildCache, CacheLimits } from "./cache/cache.ts";

export interface BuildRunnerOptions {
  ports: Omit<BuildPorts, "makeScratch" | "now" | "flights" | "layers"> & { readonly cache: BuildCache };
  layers: LayerStore;
  /** Layers for one build. */
  layerSink: (lease: LayerLease) => LayerSink;
  /** What the cache is kept below, after every build. */
  limits: CacheLimits;
  inBackground: (what: string, work: () => Promise<void>) => void;
  images: ImageService;
  /** Private directory for uploaded contexts. */
  scratchRoot: string;
}

/** A remote context; without a tree it is a Dockerfile alone. `kept` is what goes when nobody looks any more. */
export interface LookedInto {
  readonly tree: ContextTree | undefined;
  readonly kept: AsyncDisposable;
}

/** Reads the name that an image is to get. Throws Fault invalidParameter. */
export function tagOf(text: string): Reference {
  try {
    const reference = parseReference(text);
    if (reference.digest !== undefined)
      throw new Fault("invalidParameter", "build tag cannot contain a digest");
    return withDefaultTag(reference);
  } catch (error) {
    throw new Fault("invalidParameter", error instanceof Error ? error.message : String(error), {
      code: "build.tag",
      cause: error,
    });
  }
}

export class BuildRunner {
  readonly #options: BuildRunnerOptions;
  readonly #flights = new StepFlights();

  constructor(options: BuildRunnerOptions) {
    this.#options = options;
  }

  /** Builds. Throws what buildImage throws. */
  async run(
    request: BuildRequest,
    onEvent: (event: BuildEvent) => void,
    signal: AbortSignal,
  ): Promise<BuildResult> {
    const { ports, layers, limits, inBackground } = this.#options;
    try {
      using _running = ports.cache.begin();
      using lease = layers.lease();
      return await buildImage(request, this.#ports(lease), { signal, onEvent });
    } finally {
      inBackground("keep the build cache below its limits", () => ports.cache.collect(limits));
    }
  }

  /** Opens what a server has, for looking into it. Throws Faults `git` and `build.download`. */
  async openRemote(address: string, signal: AbortSignal): Promise<LookedInto> {
    await using stack = new AsyncDisposableStack();
    const directory = await this.#makeScratch();
    stack.defer(() => removeScratch(directory));
    const blobs = new BlobStore(directory);
    stack.defer(() => blobs.close());
    const tree = await openRemote(address, { blobs, directory, signal });
    return { tree, kept: stack.move() };
  }

  /** Checks a request's Dockerfile and builds nothing. */
  async check(request: BuildRequest, signal: AbortSignal): Promise<CheckedDockerfile> {
    using lease = this.#options.layers.lease();
    return await checkDockerfile(request, this.#ports(lease), signal);
  }

  /** Describes a request's Dockerfile and builds nothing. */
  async describe(request: BuildRequest, signal: AbortSignal): Promise<DescribedDockerfile> {
    using lease = this.#options.layers.lease();
    return await describeDockerfile(request, this.#ports(lease), signal);
  }

  /** Gives an image, or one for each of several platforms, its names. */
  async name(
    imageIds: readonly string[],
    names: readonly Reference[],
    onEvent: (event: BuildEvent) => void,
  ): Promise<void> {
    const { images } = this.#options;
    const named = imageIds.map((id) => images.find(id));
    for (const name of names) {
      await images.addPlatforms(named, name);
      onEvent({ type: "tagged", name: familiarString(name) });
    }
  }

  #ports(lease: LayerLease): BuildPorts {
    return {
      ...this.#options.ports,
      layers: this.#options.layerSink(lease),
      flights: this.#flights,
      now: () => formatNano(nowNano()),
      makeScratch: () => this.#makeScratch(),
    };
  }

  async #makeScratch(): Promise<string> {
    await mkdir(this.#options.scratchRoot, { recursive: true, mode: 0o700 });
    return mkdtemp(join(this.#options.scratchRoot, "build-"));
  }
}
