// What is asked of the builder: the parameters of `POST /build` in the builder's own words, decoded by the engine.

import type { Material } from "./attest/provenance.ts";
import type { ImportedRecord } from "./cache/imported.ts";
import type { Dialect } from "./graph/dialect.ts";
import type { LayoutReference } from "./graph/named-contexts.ts";
import type { BuildClient, SourceImage, SourceJudge, StepLimits } from "./solver/ports.ts";
import type { Digest } from "../oci/digest.ts";
import type { Platform } from "../oci/platform.ts";
import type { LayerId } from "../storage/layer/types.ts";

/** One build. */
export interface BuildRequest {
  /** The context as a tar stream, plain or compressed; absent: no context, `dockerfileText` is all there is. */
  readonly context?: AsyncIterable<Uint8Array>;
  /** A context elsewhere: a git repository, an archive or a Dockerfile on a server. */
  readonly remote?: string;
  /** Directories of the client, by the names that it knows them by. */
  readonly localContext?: { readonly context: string; readonly dockerfile: string };
  /** `--build-context`: names to `local:NAME`, `docker-image://REF` or the URL of a repository or archive. */
  readonly contexts?: Readonly<Record<string, string>>;
  /** Takes an image out of an OCI layout of the client's. */
  readonly takeFromLayout?: (layout: LayoutReference, signal: AbortSignal) => Promise<SourceImage>;
  /** Who is asked for secrets, agents and directories; absent: a client that can only upload. */
  readonly client?: BuildClient;
  /** Asked about each source before it is fetched; absent: all may be used. */
  readonly judge?: SourceJudge;
  /** What the user logs in with at a registry, in the words of the Engine API's AuthConfig. */
  readonly credentials?: (host: string) => Promise<Readonly<Record<string, string>> | undefined>;
  /** Path of the Dockerfile in the context; "" and absent mean `Dockerfile`. */
  readonly dockerfile?: string;
  /** The Dockerfile itself, when it does not come with the context. */
  readonly dockerfileText?: string;
  /** Stage to build, by name or number; absent: the last one. */
  readonly target?: string;
  /** `--build-arg`; null takes the value from nowhere and so leaves the argument at its default. */
  readonly buildArgs?: Readonly<Record<string, string | null>>;
  /** `--label`. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  /** The time of everything the build makes, in seconds since the epoch (SOURCE_DATE_EPOCH); absent: when it is made. */
  readonly epochSec?: number;
  /** Files of its layers are not younger than `epochSec`. */
  readonly rewritesTimes?: boolean;
  /** What is built, for comparing with earlier builds of it; absent: nothing is compared. */
  readonly subject?: string;
  /** Say of every step why it was run. */
  readonly explains?: boolean;
  /** The user gets a shell where a step fails. */
  readonly debugs?: boolean;
  /** Images that alone are asked for known results (the classic builder's `--cache-from`). */
  readonly cacheImages?: readonly string[];
  /** Images whose steps are known results as well, pulled where they are missing; one that cannot be had is passed over. */
  readonly importedFrom?: readonly string[];
  /** Steps that are known results as well, by their keys. */
  readonly importedCaches?: readonly ReadonlyMap<string, ImportedRecord>[];
  /** The image carries its steps with it, for builds elsewhere. */
  readonly carriesSteps?: boolean;
  /** Run every step although its result is known. */
  readonly noCache?: boolean;
  /** Stages whose steps are run although their results are known. */
  readonly noCacheFilter?: readonly string[];
  /** Whose history the image gets; absent: the classic builder's. */
  readonly dialect?: Dialect;
  /** The image is for an output alone: it is not listed. */
  readonly isHidden?: boolean;
  /** Rights beyond the usual ones: `security.insecure`, `network.host`. */
  readonly allowed?: readonly string[];
  readonly limits?: StepLimits;
  /** Look for newer base images. */
  readonly pull?: boolean;
  /** "default", "none", "host" or the name of a network, for RUN. */
  readonly network?: string;
  readonly extraHosts?: readonly string[];
  readonly shmSizeBytes?: number;
}

/** A step that was done or found, as a cache elsewhere may want it. */
export interface BuiltStep {
  readonly key: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** The layer that it made; absent for none. */
  readonly diffId?: Digest;
  /** Layers of the root behind it, bottom first. */
  readonly layers: readonly LayerId[];
  /** The image itself rests on it; others are of stages that were only copied from. */
  readonly isOfTarget: boolean;
}

/** What a finished build left behind. */
export interface BuildResult {
  /** `sha256:…`. */
  readonly imageId: string;
  readonly dockerfile: { readonly name: string; readonly text: string };
  /** Images that were built on or copied from, as they were asked for. */
  readonly materials: readonly Material[];
  /** In the order in which they were done. */
  readonly steps: readonly BuiltStep[];
}
