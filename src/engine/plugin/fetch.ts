// A plugin in a registry: a manifest whose configuration is a plugin's, and layers. The registry is untrusted: every digest is checked
// on the way in. (Not the diff ids of the configuration: those that Docker writes are of the compressed layers.)
import type { ProgressSink } from "../../api/call.ts";
import type { AuthConfigRequest } from "../../api/schemas/system.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import {
  parsePluginConfig,
  PLUGIN_CONFIG_TYPE,
  type PluginConfig,
} from "../../lib/plugin-protocol/config.ts";
import { type Digest, isDigest } from "../../oci/digest.ts";
import type { Descriptor, Manifest } from "../../oci/manifest.ts";
import { isLayerType } from "../../oci/mediatype.ts";
import { hostPlatform } from "../../oci/platform.ts";
import { canonicalString, DEFAULT_TAG, familiarName, type Reference } from "../../oci/reference.ts";
import { RegistryRepository } from "../../registry/repository.ts";
import type { LayerId, LayerLease } from "../../storage/layer/types.ts";
import { credentialsOf } from "../image/credentials.ts";
import { progressReporter } from "../image/progress.ts";
import { mirrorsOf, optionsFor } from "../image/registries.ts";
import type { PluginContext } from "./context.ts";

export type RegistryAuth = AuthConfigRequest | null | undefined;

/** Most layers that are believed. */
const MAX_LAYERS = 127;

/** A plugin of which everything but its files is here. */
export interface FetchedPlugin {
  readonly repository: RegistryRepository;
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly manifestText: string;
  readonly config: PluginConfig;
  readonly configText: string;
}

/** Returns what a reference names. Fails with notFound, unauthorized, unavailable, invalidParameter for what is no plugin. */
export async function fetchPlugin(
  { images: { registries } }: Pick<PluginContext, "images">,
  reference: Reference,
  auth: RegistryAuth,
  signal: AbortSignal,
): Promise<FetchedPlugin> {
  const repositories = [
    ...mirrorsOf(registries, reference.domain).map(
      (mirror) => [mirror, undefined, optionsFor(registries, new URL(mirror).host)] as const,
    ),
    [reference.domain, credentialsOf(auth), optionsFor(registries, reference.domain)] as const,
  ];
  let failure: unknown;
  for (const [address, credentials, options] of repositories) {
    const repository = new RegistryRepository(address, reference.path, credentials, {
      ...options,
      isForPlugins: true,
    });
    try {
      return await fetchFrom(repository, reference, signal);
    } catch (error) {
      signal.throwIfAborted();
      failure = error; // a mirror that has it not is no reason to fail: what the last one says is the answer
    }
  }
  throw failure;
}

async function fetchFrom(
  repository: RegistryRepository,
  reference: Reference,
  signal: AbortSignal,
): Promise<FetchedPlugin> {
  const named = reference.digest ?? reference.tag ?? DEFAULT_TAG;
  const { manifest, bytes, digest } = await repository
    .resolve(named, hostPlatform(), signal)
    .catch((error: unknown) => {
      throw new Fault(
        error instanceof Fault ? error.kind : "system",
        `error resolving plugin reference: ${messageOf(error)}`,
        { code: "plugin.resolve", cause: error },
      );
    });
  if (manifest.config.mediaType !== PLUGIN_CONFIG_TYPE)
    throw invalid(`did not find plugin config for specified reference ${canonicalString(reference)}`);
  if (manifest.layers.length === 0 || manifest.layers.length > MAX_LAYERS)
    throw invalid(`plugin has ${manifest.layers.length} layers`);
  const odd = manifest.layers.find((l) => !isLayerType(l.mediaType));
  if (odd !== undefined) throw invalid(`plugin has a layer of type ${odd.mediaType.slice(0, 200)}`);
  const configText = Buffer.from(await repository.blobBytes(manifest.config, signal)).toString("utf8");
  return {
    repository,
    digest,
    manifest,
    manifestText: Buffer.from(bytes).toString("utf8"),
    config: parsePluginConfig(configText),
    configText,
  };
}

/** Downloads and unpacks what is missing of a plugin's layers; returns them bottom first. */
export async function fetchLayers(
  context: Pick<PluginContext, "layers" | "images">,
  plugin: FetchedPlugin,
  reference: Reference,
  { lease, out, signal }: { lease: LayerLease; out: ProgressSink; signal: AbortSignal },
): Promise<LayerId[]> {
  const named = reference.digest === undefined ? `${reference.tag ?? DEFAULT_TAG}: ` : "";
  await out.write({ status: `${named}Pulling from ${familiarName(reference)}` });
  await out.write({ status: `Digest: ${plugin.digest}` });
  const layers: LayerId[] = [];
  for (const descriptor of plugin.manifest.layers)
    layers.push(
      await fetchLayer(context, plugin.repository, descriptor, layers.at(-1) ?? null, { lease, out, signal }),
    );
  return layers;
}

async function fetchLayer(
  { layers, images: { transfers } }: Pick<PluginContext, "layers" | "images">,
  repository: RegistryRepository,
  descriptor: Descriptor,
  parent: LayerId | null,
  { lease, out, signal }: { lease: LayerLease; out: ProgressSink; signal: AbortSignal },
): Promise<LayerId> {
  const { mediaType, digest, sizeBytes } = descriptor;
  const id = digest.slice(7, 19);
  const say = (status: string): Promise<void> => out.write({ status, progressDetail: {}, id });
  const known = [...layers.list()].find((l) => l.blob?.digest === digest && l.parent === parent);
  if (known !== undefined) {
    lease.hold(known.id);
    await say("Already exists");
    await say("Complete");
    return known.id;
  }
  const content = repository.blob(descriptor, {
    policy: { attempts: transfers.attempts },
    connections: transfers.connections,
    onWait: (left) => say(`Retrying in ${left} second${left === 1 ? "" : "s"}`),
    signal,
  });
  using _turn = await transfers.downloads.hold({ signal });
  const layer = await layers.unpack(content, parent, {
    keepBlob: { mediaType, digest, sizeBytes },
    onProgress: progressReporter(out, id, "Downloading", sizeBytes),
    lease,
    signal,
  });
  await say("Download complete");
  await say("Complete");
  return layer.id;
}

/** compat: a name with tag and digest is pulled by its digest; the tag names what is made of it. */
export function remoteReference(reference: Reference): Reference {
  if (reference.digest !== undefined && isDigest(reference.digest)) {
    const { tag: _, ...rest } = reference;
    return rest;
  }
  return reference.tag === undefined ? { ...reference, tag: DEFAULT_TAG } : reference;
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "plugin.malformed" });
}
