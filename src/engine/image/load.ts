// ImageLoad: archives of `docker save` (manifest.json) and OCI image layouts (index.json), plain or compressed, in one pass:
// documents are kept, everything else is taken for a layer and unpacked while it arrives, before it is known whose it is.
// The archive is hostile: documents are bounded, layers are verified against the configuration's diff ids.
import type { ProgressSink, UploadBody } from "../../api/call.ts";
import { decompress } from "../../lib/compress/stream.ts";
import { Fault } from "../../lib/errors.ts";
import type { TarEvent } from "../../lib/tar/entry.ts";
import { readTar } from "../../lib/tar/reader.ts";
import { type ImageId, imageIdOf, parseImageConfig } from "../../oci/image-config.ts";
import { type Descriptor, isImageManifest, type Manifest, parseManifest } from "../../oci/manifest.ts";
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { bestPlatform, type Platform } from "../../oci/platform.ts";
import { familiarString, parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import type { LayerLease } from "../../storage/layer/holds.ts";
import type { LayerId, LayerRecord } from "../../storage/layer/types.ts";
import { hasSameIndex } from "./manifests.ts";
import { checkPlatform, wantedPlatform } from "./platform.ts";
import type { ImageRecord } from "./record.ts";
import type { ImageContext } from "./service.ts";

const MAX_DOCUMENT_BYTES = 8 << 20;
const MAX_DOCUMENTS_BYTES = 64 << 20;

/** What an archive held: documents and layers by their cleaned names, links from one name to another. */
interface Contents {
  documents: Map<string, Buffer>;
  layers: Map<string, ArchivedLayer>;
  links: Map<string, string>;
}

/** A layer that is unpacked already and waits to hear what it stands on. */
interface ArchivedLayer {
  parent: PromiseWithResolvers<LayerId | null>;
  record: Promise<LayerRecord>;
  isPlaced: boolean;
}

/** One image of the archive, as its manifest describes it. */
interface Found {
  configPath: string;
  layerPaths: readonly string[];
  names: readonly Reference[];
  /** How it came, where it is one of several for different platforms. */
  origin?: Required<Pick<ImageRecord, "manifest" | "index">>;
}

const malformed = (why: string): Fault =>
  new Fault("invalidParameter", `invalid image archive: ${why}`, { code: "image.archive" });

/** Loads all images of an archive, writes Docker's lines, and returns them. Leaves nothing of what no image uses. */
export async function loadImages(
  context: ImageContext,
  body: UploadBody,
  out: ProgressSink,
  { signal, platforms }: { signal: AbortSignal; platforms: readonly string[] },
): Promise<ImageRecord[]> {
  const wanted = platforms.map(wantedPlatform);
  const contents: Contents = { documents: new Map(), layers: new Map(), links: new Map() };
  using lease = context.layers.lease();
  try {
    await readArchive(context, (await decompress(body)).stream, contents, lease, signal);
    const images: ImageRecord[] = [];
    for (const found of imagesIn(contents, wanted[0]))
      images.push(await storeImage(context, contents, found, { lease, out, wanted }));
    return images;
  } finally {
    for (const layer of contents.layers.values())
      layer.parent.reject(malformed("a layer that no image uses"));
    await Promise.allSettled([...contents.layers.values()].map((l) => l.record));
  }
}

async function readArchive(
  context: ImageContext,
  stream: AsyncIterable<Uint8Array>,
  contents: Contents,
  lease: LayerLease,
  signal: AbortSignal,
): Promise<void> {
  let documentBytes = 0;
  for await (const entry of archiveFiles(stream)) {
    const name = cleanName(entry.name);
    if (entry.link !== undefined) {
      contents.links.set(name, entry.link);
      continue;
    }
    const { head, rest } = await peek(entry.content);
    if (looksLikeDocument(name, head, entry.sizeBytes)) {
      documentBytes += entry.sizeBytes;
      if (documentBytes > MAX_DOCUMENTS_BYTES) throw malformed("too many documents");
      contents.documents.set(name, await collect(rest));
    } else if (entry.sizeBytes > 0) {
      contents.layers.set(name, await unpackLayer(context, rest, lease, signal));
    }
  }
}

/** Unpacks a layer whose parent nobody knows yet; returns when its bytes have been read. */
async function unpackLayer(
  context: ImageContext,
  content: AsyncIterable<Uint8Array>,
  lease: LayerLease,
  signal: AbortSignal,
): Promise<ArchivedLayer> {
  const parent = Promise.withResolvers<LayerId | null>();
  const read = Promise.withResolvers<void>();
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* content;
    } finally {
      read.resolve();
    }
  }
  // As in a pull.
  const record = context.layers.unpack(watched(), parent.promise, { lease, signal, durable: false });
  record.catch(() => {}); // ignored: awaited by whoever places the layer
  await Promise.race([read.promise, record]);
  return { parent, record, isPlaced: false };
}

/** JSON documents begin with a brace or a bracket; tar archives and compressed ones never do. */
function looksLikeDocument(name: string, head: Uint8Array, sizeBytes: number): boolean {
  if (/(^|\/)(VERSION|oci-layout|repositories|json)$/.test(name) || name.endsWith(".json"))
    return sizeBytes <= MAX_DOCUMENT_BYTES;
  return sizeBytes <= MAX_DOCUMENT_BYTES && (head[0] === 0x7b || head[0] === 0x5b);
}

interface ArchiveFile {
  name: string;
  sizeBytes: number;
  /** Name that a symbolic or hard link points to, cleaned. */
  link?: string;
  content: AsyncIterable<Uint8Array>;
}

/** Yields the archive's files; each content has to be read (or dropped) before the next file is asked for. */
async function* archiveFiles(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ArchiveFile> {
  const batches = readTar(stream);
  let events: TarEvent[] = [];
  let at = 0;
  const next = async (): Promise<TarEvent | null> => {
    while (at >= events.length) {
      const batch = await batches.next();
      if (batch.done) return null;
      events = batch.value;
      at = 0;
    }
    return events[at++] ?? null;
  };
  async function* content(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const event = await next();
      if (event === null || event.kind === "end") return;
      if (event.kind === "data") yield event.bytes;
    }
  }
  for (let event = await next(); event !== null; event = await next()) {
    if (event.kind !== "entry") continue;
    const { entry } = event;
    const body = content();
    if (entry.type === "symlink" || entry.type === "hardlink") {
      const base = entry.type === "symlink" ? entry.name.replace(/[^/]*$/, "") : "";
      yield { name: entry.name, sizeBytes: 0, link: cleanName(base + entry.linkName), content: body };
    } else if (entry.type === "file") yield { name: entry.name, sizeBytes: entry.sizeBytes, content: body };
    for await (const _ of body); // whatever was not read
  }
}

async function peek(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head: Uint8Array = first.done ? new Uint8Array(0) : first.value;
  async function* rest(): AsyncGenerator<Uint8Array> {
    if (head.length > 0) yield head;
    for (let r = await iterator.next(); !r.done; r = await iterator.next()) yield r.value;
  }
  return { head, rest: rest() };
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function cleanName(name: string): string {
  const parts: string[] = [];
  for (const part of name.split("/"))
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  return parts.join("/");
}

/** The images of an archive; with a platform only those for it. Only an OCI layout can tell of several for one name. */
function imagesIn(contents: Contents, platform: Platform | undefined): Found[] {
  const manifest = contents.documents.get("manifest.json");
  const layout = contents.documents.get("index.json");
  const listed = layout === undefined ? undefined : fromOciLayout(contents, platform, layout);
  if (manifest !== undefined && !listed?.some((f) => f.origin !== undefined))
    return fromDockerManifest(manifest);
  if (listed !== undefined) return listed;
  throw malformed("neither manifest.json nor index.json in it");
}

function fromDockerManifest(bytes: Buffer): Found[] {
  const list: unknown = parseJson(bytes, "manifest.json");
  if (!Array.isArray(list)) throw malformed("manifest.json is not a list");
  return list.map((item: { Config?: unknown; RepoTags?: unknown; Layers?: unknown }) => {
    // compat: Go writes the layers of an image that has none as null.
    const layers = item?.Layers === null ? [] : item?.Layers;
    if (typeof item?.Config !== "string" || !isTexts(layers))
      throw malformed("manifest.json lacks Config or Layers");
    const tags = isTexts(item.RepoTags) ? item.RepoTags : [];
    return {
      configPath: cleanName(item.Config),
      layerPaths: layers.map(cleanName),
      names: tags.map((t) => withDefaultTag(parseReference(t))),
    };
  });
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((v) => typeof v === "string");

function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new Fault("invalidParameter", `invalid image archive: ${what} is not JSON`, {
      code: "image.archive",
      cause: error,
    });
  }
}

const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

function fromOciLayout(contents: Contents, platform: Platform | undefined, bytes: Buffer): Found[] {
  const index = parseManifest(bytes, MEDIA_TYPES.ociIndex);
  if (index.kind !== "index") throw malformed("index.json is not an index");
  return index.manifests.flatMap((d) => {
    const name =
      d.annotations?.["io.containerd.image.name"] ?? d.annotations?.["org.opencontainers.image.ref.name"];
    const names = name === undefined || !/[/:]/.test(name) ? [] : [withDefaultTag(parseReference(name))];
    return forPlatform(manifestsBehind(contents, d), platform).map(({ manifest, ...origin }) => ({
      configPath: blobPath(manifest.config.digest),
      layerPaths: manifest.layers.map((l) => blobPath(l.digest)),
      names,
      ...(origin.index === undefined ? {} : { origin: { manifest: origin.text, index: origin.index } }),
    }));
  });
}

/** A manifest of the archive, as it is there, and the list that it stands in. */
interface Listed {
  readonly manifest: Manifest;
  readonly text: NonNullable<ImageRecord["manifest"]>;
  readonly platform?: Platform | undefined;
  readonly index?: NonNullable<ImageRecord["index"]>;
}

/** Leaves the one that serves a platform best, of those in a list. */
function forPlatform(all: readonly Listed[], platform: Platform | undefined): readonly Listed[] {
  if (platform === undefined) return all;
  const known = all.flatMap((l) => (l.platform === undefined ? [] : [{ l, platform: l.platform }]));
  const best = bestPlatform(platform, known)?.l;
  return all.filter((l) => l.platform === undefined || l === best);
}

/** An index may list indexes; an archive's may also list itself. */
const MAX_INDEXES = 4;
const MAX_MANIFESTS = 1000;

/** Returns the images that a descriptor leads to and that are in the archive; what only speaks of an image is left out. */
function manifestsBehind(
  contents: Contents,
  descriptor: Descriptor,
  index?: NonNullable<ImageRecord["index"]>,
  depth = 0,
): Listed[] {
  const bytes = contents.documents.get(blobPath(descriptor.digest));
  if (bytes === undefined) return [];
  const parsed = parseManifest(bytes, descriptor.mediaType);
  const text = { mediaType: parsed.mediaType, text: bytes.toString("utf8") };
  if (parsed.kind === "manifest") {
    if (!isImageManifest(parsed) || descriptor.platform?.os === "unknown") return [];
    return [
      { manifest: parsed, text, platform: descriptor.platform, ...(index === undefined ? {} : { index }) },
    ];
  }
  if (depth === MAX_INDEXES) throw malformed("too many indexes inside of each other");
  const all = parsed.manifests.flatMap((d) => manifestsBehind(contents, d, text, depth + 1));
  if (all.length > MAX_MANIFESTS) throw malformed("too many manifests");
  return all;
}

async function storeImage(
  context: ImageContext,
  contents: Contents,
  found: Found,
  { lease, out, wanted }: { lease: LayerLease; out: ProgressSink; wanted: readonly Platform[] },
): Promise<ImageRecord> {
  const bytes = contents.documents.get(resolveLink(contents, found.configPath));
  if (bytes === undefined) throw malformed(`${found.configPath} is missing`);
  const config = parseImageConfig(bytes);
  if (config.diffIds.length !== found.layerPaths.length)
    throw malformed(
      `invalid manifest, layers length mismatch: expected ${found.layerPaths.length}, got ${config.diffIds.length}`,
    );
  checkPlatform(
    found.names[0] === undefined ? imageIdOf(bytes) : familiarString(found.names[0]),
    config,
    wanted,
  );
  const layers: LayerRecord[] = [];
  for (const [i, path] of found.layerPaths.entries()) {
    const archived = contents.layers.get(resolveLink(contents, path));
    if (archived === undefined) throw malformed(`${path} is missing`);
    const layer = await placeLayer(context, archived, layers.at(-1)?.id ?? null, lease);
    if (layer.diffId !== config.diffIds[i])
      throw malformed(`layer ${path} has the diff id ${layer.diffId}, its image says ${config.diffIds[i]}`);
    layers.push(layer);
  }
  const image: ImageRecord = {
    version: 1,
    id: imageIdOf(bytes) as ImageId,
    configText: bytes.toString("utf8"),
    layers: layers.map((l) => l.id),
    sizeBytes: layers.reduce((sum, l) => sum + l.sizeBytes, 0),
    repoDigests: [],
    ...found.origin,
    parentId: "",
    isIntermediate: false,
  };
  const isNamed = found.names.some((name) =>
    context.table.imagesOf(name).some((i) => hasSameIndex(i, image)),
  );
  await context.table.add(image, found.names, (other) => hasSameIndex(other, image));
  // Of several platforms of one name it is said once.
  if (isNamed) return image;
  for (const name of found.names) await out.write({ stream: `Loaded image: ${familiarString(name)}\n` });
  if (found.names.length === 0) await out.write({ stream: `Loaded image ID: ${image.id}\n` });
  return image;
}

/** Puts an unpacked layer on top of `parent`; one that stands elsewhere already is copied. */
async function placeLayer(
  context: ImageContext,
  archived: ArchivedLayer,
  parent: LayerId | null,
  lease: LayerLease,
): Promise<LayerRecord> {
  if (!archived.isPlaced) {
    archived.isPlaced = true;
    archived.parent.resolve(parent);
    return archived.record;
  }
  const layer = await archived.record;
  if (layer.parent === parent) return layer;
  return context.layers.unpack(context.layers.pack(layer.id), parent, {
    expectedDiffId: layer.diffId,
    lease,
  });
}

function resolveLink(contents: Contents, path: string): string {
  let at = path;
  for (let hops = 0; hops < 8; hops++) {
    const target = contents.links.get(at);
    if (target === undefined) return at;
    at = target;
  }
  return at;
}
