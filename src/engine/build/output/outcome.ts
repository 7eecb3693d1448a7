// What a build for one or several platforms has made, with what is known of how.
import type { BuildResult } from "../../../build/request.ts";
import type { Platform } from "../../../oci/platform.ts";

export interface BuiltImage extends BuildResult {
  readonly platform: Platform;
  readonly buildId: string;
  /** Options of the frontend. */
  readonly attrs: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly finishedAt: string;
}

/** The images of a build, in the order in which their platforms were asked for; at least one. */
export type Outcome = readonly [BuiltImage, ...BuiltImage[]];
