// PluginPush: the layers as they are kept, the configuration and the manifest, in Docker's own types, which registries know.
import type { ProgressSink } from "../../api/call.ts";
import { compress } from "../../lib/compress/stream.ts";
import { PLUGIN_CONFIG_TYPE } from "../../lib/plugin-protocol/config.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { encodeManifest } from "../../oci/manifest.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { DEFAULT_TAG, familiarName, type Reference } from "../../oci/reference.ts";
import { RepositoryWriter } from "../../registry/push.ts";
import type { LayerRecord } from "../../storage/layer/types.ts";
import { credentialsOf } from "../image/credentials.ts";
import { optionsFor } from "../image/registries.ts";
import type { PluginContext } from "./context.ts";
import type { RegistryAuth } from "./fetch.ts";
import type { PluginRecord } from "./record.ts";

/** Pushes a plugin under its own name. Fails with unauthorized, forbidden, unavailable. */
export async function pushPlugin(
  context: PluginContext,
  record: PluginRecord,
  reference: Reference,
  { auth, out, signal }: { auth: RegistryAuth; out: ProgressSink; signal: AbortSignal },
): Promise<void> {
  const { registries } = context.images;
  const writer = new RepositoryWriter(reference.domain, reference.path, credentialsOf(auth), {
    ...optionsFor(registries, reference.domain),
    isForPlugins: true,
  });
  await out.write({ status: `The push refers to repository [${familiarName(reference)}]` });
  const config = Buffer.from(record.configText);
  const layers = record.layers.map((id) => context.layers.get(id)).filter((l) => l !== undefined);
  const say = (digest: Digest, status: string): Promise<void> =>
    out.write({ status, progressDetail: {}, id: digest.slice(7, 19) });
  const shown = [digestOf(Buffer.from(record.manifest.text)), ...record.manifest.layers, digestOf(config)];
  for (const digest of shown) await say(digest, "Preparing");
  const blobs: Blob[] = [];
  for (const layer of layers) blobs.push(await pushLayer(context, writer, layer, signal));
  if (!(await writer.has(digestOf(config), signal))) await writer.upload(once(config), signal);
  const { text, mediaType } = manifestFor(record, config, blobs);
  const bytes = Buffer.from(text);
  const tag = reference.tag ?? DEFAULT_TAG;
  const digest = await writer.putManifest(tag, bytes, mediaType, signal);
  for (const done of shown) await say(done, "Upload complete");
  await out.write({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: bytes.length } });
}

interface Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

async function pushLayer(
  { layers, images: { content } }: PluginContext,
  writer: RepositoryWriter,
  layer: LayerRecord,
  signal: AbortSignal,
): Promise<Blob> {
  const { blob } = layer;
  if (blob !== undefined) {
    if (!(await writer.has(blob.digest, signal)))
      await writer.upload(content.open(blob.digest, { signal }), signal);
    return blob;
  }
  // It is the layer of an image, too, and was there first.
  const sent = await writer.upload(compress(layers.pack(layer.id), "gzip"), signal);
  return { ...sent, mediaType: MEDIA_TYPES.dockerLayerGzip };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The manifest that the plugin came with where it still describes these blobs. */
function manifestFor(
  { manifest }: PluginRecord,
  config: Buffer,
  blobs: readonly Blob[],
): { text: string; mediaType: string } {
  const { layers } = manifest;
  if (layers.length === blobs.length && layers.every((digest, i) => digest === blobs[i]?.digest))
    return manifest;
  return { text: pluginManifest(config, blobs), mediaType: MEDIA_TYPES.dockerManifest };
}

/** Returns a manifest in Docker's own types. */
export function pluginManifest(config: Buffer, layers: readonly Blob[]): string {
  const document = encodeManifest({
    kind: "manifest",
    mediaType: MEDIA_TYPES.dockerManifest,
    config: { mediaType: PLUGIN_CONFIG_TYPE, digest: digestOf(config), sizeBytes: config.length },
    layers,
  });
  return Buffer.from(document).toString("utf8");
}
