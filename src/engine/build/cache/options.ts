// `--cache-from` and `--cache-to` as clients with BuildKit send them: what of them can be granted. A cache in a registry is an
// image that carries its steps with it; `inline` is the built image itself.
import { Fault } from "../../../lib/errors.ts";

export interface CacheEntry {
  readonly type?: string;
  readonly attrs?: Readonly<Record<string, string>>;
}

export interface CacheWishes {
  /** Images whose steps are known results. */
  readonly importedFrom: readonly string[];
  readonly carriesSteps: boolean;
  /** Under which names the image is pushed as a cache. */
  readonly pushedTo: readonly string[];
}

function refuse(option: string, type: string | undefined): Fault {
  return new Fault(
    "notImplemented",
    `${option} type=${type ?? ""} is not supported: use registry or inline`,
    {
      code: "build.cache-type",
    },
  );
}

function referenceOf(option: string, entry: CacheEntry): string {
  const reference = entry.attrs?.["ref"] ?? "";
  if (entry.type !== "registry") throw refuse(option, entry.type);
  if (reference === "") throw new Fault("invalidParameter", `${option} type=registry wants ref=NAME`);
  return reference;
}

/** Returns what is asked for. Throws Fault `build.cache-type` for a place that is not known. */
export function cacheWishesOf(cache: {
  readonly imports?: readonly CacheEntry[];
  readonly exports?: readonly CacheEntry[];
}): CacheWishes {
  const exports = cache.exports ?? [];
  return {
    importedFrom: (cache.imports ?? []).map((entry) => referenceOf("--cache-from", entry)),
    carriesSteps: exports.length > 0,
    pushedTo: exports.flatMap((entry) => (entry.type === "inline" ? [] : [referenceOf("--cache-to", entry)])),
  };
}
