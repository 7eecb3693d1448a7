// `--cache-to type=registry,mode=max`: a cache of its own in a registry, in BuildKit's form, with the steps of all stages; and reading such
// a cache. With `mode=min` the cache is an image that carries its steps (output/outputs.ts).
import { CACHE_CONFIG_TYPE } from "../../../build/cache/bundle.ts";
import type { ImportedRecord } from "../../../build/cache/imported.ts";
import type { BuiltStep } from "../../../build/request.ts";
import type { AuthConfig } from "../../../api/contract.ts";
import { DEFAULT_TAG, type Reference } from "../../../oci/reference.ts";
import type { Push } from "../../image/push.ts";
import type { ImageService } from "../../image/service.ts";
import { type CacheExporter, readCache } from "./bundles.ts";

/** Pushes the steps with their layers under a tag. Fails as a push of an image does. */
export async function pushSteps(
  exporter: CacheExporter,
  steps: readonly BuiltStep[],
  push: Push,
  tag: string,
): Promise<void> {
  const { writer, signal } = push;
  const to = {
    has: writer.has.bind(writer),
    write: writer.upload.bind(writer),
  };
  const { bytes, descriptor } = await exporter.write(steps, to, signal);
  await writer.putManifest(tag, bytes, descriptor.mediaType, signal);
}

/** Reads a cache from a registry; undefined where the name means something else, such as an image. Fails as a pull does. */
export function readFromRegistry(
  images: ImageService,
  reference: Reference,
  auth: AuthConfig | undefined,
  signal: AbortSignal,
): Promise<Map<string, ImportedRecord> | undefined> {
  return images.ask(reference, auth, async (repository) => {
    const { digest, parsed } = await repository.manifest(
      reference.digest ?? reference.tag ?? DEFAULT_TAG,
      signal,
    );
    const all = parsed.kind === "manifest" ? [parsed.config] : parsed.manifests;
    if (!all.some((d) => d.mediaType === CACHE_CONFIG_TYPE)) return undefined;
    const blob = { mediaType: "", sizeBytes: 0 };
    const from = {
      readManifest: async () => parsed,
      read: (config: typeof digest) => repository.blobBytes({ ...blob, digest: config }, signal),
      open: (layer: typeof digest) =>
        repository.blob(
          { ...blob, digest: layer },
          { policy: { attempts: 3 }, onWait: async () => undefined, signal },
        ),
    };
    return readCache(from, digest, signal);
  });
}
