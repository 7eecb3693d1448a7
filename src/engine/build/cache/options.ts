// `--cache-from` and `--cache-to` as clients with BuildKit send them: what of them can be granted. A cache in a registry is an
// image that carries its steps with it; `inline` is the built image itself; `local` is a directory of the client's.
import { Fault } from "../../../lib/errors.ts";
import { type Digest, isDigest } from "../../../oci/digest.ts";

export interface CacheEntry {
  readonly type?: string;
  readonly attrs?: Readonly<Record<string, string>>;
}

/** A cache that is read from a directory of the client's. */
export interface LocalImport {
  /** The client's name for the directory. */
  readonly store: string;
  readonly digest: Digest;
}

/** A cache that is written into one. */
export interface LocalExport {
  readonly store: string;
  /** Also steps of stages that were only copied from. */
  readonly isWhole: boolean;
}

export interface CacheWishes {
  /** Images whose steps are known results. */
  readonly importedFrom: readonly string[];
  readonly localImports: readonly LocalImport[];
  readonly localExports: readonly LocalExport[];
  readonly carriesSteps: boolean;
  /** Under which names the image is pushed as a cache. */
  readonly pushedTo: readonly string[];
  /** Under which names a cache of all steps is pushed. */
  readonly wholePushedTo: readonly string[];
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "build.cache-option" });
}

function refuse(option: string, type: string | undefined): Fault {
  const message = `${option} type=${type ?? ""} is not supported: use registry, inline or local`;
  return new Fault("notImplemented", message, { code: "build.cache-type" });
}

function referenceOf(option: string, { attrs }: CacheEntry): string {
  const reference = attrs?.["ref"] ?? "";
  if (reference === "") throw invalid(`${option} type=registry wants ref=NAME`);
  return reference;
}

function localImportOf({ attrs }: CacheEntry): LocalImport {
  const { src = "", digest = "" } = attrs ?? {};
  if (src === "" || !isDigest(digest))
    throw invalid("--cache-from type=local wants src=DIR with a cache in it");
  return { store: `local:${src}`, digest };
}

/** Whether also steps are wanted that the image does not rest on. */
function isWhole({ attrs }: CacheEntry): boolean {
  const mode = attrs?.["mode"] ?? "min";
  if (mode !== "min" && mode !== "max")
    throw invalid(`invalid cache mode ${JSON.stringify(mode)}: want min or max`);
  return mode === "max";
}

function localExportOf(entry: CacheEntry): LocalExport {
  const dest = entry.attrs?.["dest"] ?? "";
  if (dest === "") throw invalid("--cache-to type=local wants dest=DIR");
  return { store: `local:${dest}`, isWhole: isWhole(entry) };
}

/** Returns the entries of a type; throws for one of a type that `types` does not name. */
function ofType(option: string, entries: readonly CacheEntry[], types: readonly string[]) {
  for (const { type } of entries) if (!types.includes(type ?? "")) throw refuse(option, type);
  return (type: string): CacheEntry[] => entries.filter((entry) => entry.type === type);
}

/** Returns what is asked for. Throws Fault `build.cache-type` for a place that is not known. */
export function cacheWishesOf(cache: {
  readonly imports?: readonly CacheEntry[];
  readonly exports?: readonly CacheEntry[];
}): CacheWishes {
  const imports = ofType("--cache-from", cache.imports ?? [], ["registry", "local"]);
  const exports = ofType("--cache-to", cache.exports ?? [], ["registry", "inline", "local"]);
  const nameOf = (entry: CacheEntry): string => referenceOf("--cache-to", entry);
  const inRegistry = exports("registry");
  const pushedTo = inRegistry.filter((entry) => !isWhole(entry)).map(nameOf);
  if (exports("inline").some(isWhole))
    throw invalid(
      "--cache-to type=inline holds the image's own steps only: mode=max wants registry or local",
    );
  return {
    importedFrom: imports("registry").map((entry) => referenceOf("--cache-from", entry)),
    localImports: imports("local").map(localImportOf),
    localExports: exports("local").map(localExportOf),
    carriesSteps: pushedTo.length + exports("inline").length > 0,
    pushedTo,
    wholePushedTo: inRegistry.filter(isWhole).map(nameOf),
  };
}
