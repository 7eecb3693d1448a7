// What is asked of the builder: the parameters of `POST /build` in the builder's own words, decoded by the engine.

import type { Platform } from "../oci/platform.ts";

/** One build. */
export interface BuildRequest {
  /** The context as a tar stream, plain or compressed; absent: no context, `dockerfileText` is all there is. */
  readonly context?: AsyncIterable<Uint8Array>;
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
  /** Run every step although its result is known. */
  readonly noCache?: boolean;
  /** Look for newer base images. */
  readonly pull?: boolean;
  /** "default", "none", "host" or the name of a network, for RUN. */
  readonly network?: string;
  readonly extraHosts?: readonly string[];
  readonly shmSizeBytes?: number;
}

/** What a finished build left behind. */
export interface BuildResult {
  /** `sha256:…`. */
  readonly imageId: string;
}
