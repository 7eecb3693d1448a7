// The images of the daemon: what ImagePort (server/ports.ts) asks for, and what containers and builds need of images.
import type { ByteStream, Call, ProgressSink, UploadBody } from "../../api/call.ts";
import type { Filters, InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/image.ts";
import type { distributionInspect } from "../../api/operations/system.ts";
import type { AuthConfigRequest } from "../../api/schemas/system.ts";
import type {
  DistributionInspect,
  ImageDeleted,
  ImageAttestations,
  ImageDiff,
  ImageHistory,
  ImageInspect,
  ImageSearch,
  ImagesPrune,
  ImageSummary,
} from "../../api/schemas/image.ts";
import { Fault } from "../../lib/errors.ts";
import { randomHex } from "../../lib/id.ts";
import type { ImageConfig, ImageId } from "../../oci/image-config.ts";
import type { Descriptor } from "../../oci/manifest.ts";
import { formatPlatform, hostPlatform, type Platform, platformDistance } from "../../oci/platform.ts";
import {
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
  withTag,
} from "../../oci/reference.ts";
import type { ContentStore } from "../../storage/content/types.ts";
import { sweep } from "../../storage/gc/sweep.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { LayerId, LayerRecord } from "../../storage/layer/types.ts";
import type { EventBus } from "../event/bus.ts";
import type { KeptStore } from "../kept/store.ts";
import { graphData } from "../graph-data.ts";
import { type ImageUser, planDelete } from "./remove/delete.ts";
import { importImage } from "./import.ts";
import { type HistoryImage, type ImageFacts, historyOf, inspectOf, summaryOf } from "./inspect.ts";
import { keepAttestation, listAttestations, type MadeAttestation, statementsOf } from "./attestations.ts";
import { selectImages } from "./list.ts";
import { ImageKeeper } from "./remove/keep.ts";
import { loadImages } from "./load.ts";
import type { RegistryRepository } from "../../registry/repository.ts";
import { checkLogin } from "../../registry/login.ts";
import { credentialsOf } from "./credentials.ts";
import { assembleImage, firstAnswering, pullImage } from "./pull.ts";
import { manifestsOf, targetOf } from "./manifests.ts";
import { requirePlatform, wantedPlatform } from "./platform.ts";
import { imageMatcher, type PruneDeps, pruneImages } from "./remove/prune.ts";
import { openPush, type Push, pushImage } from "./push.ts";
import type { PushedTable } from "./pushed.ts";
import { configOf, type ImageRecord } from "./record.ts";
import { optionsFor, type RegistrySettings, type Transfers } from "./registries.ts";
import { searchImages } from "./search.ts";
import { saveImages } from "./save.ts";
import type { ImageTable } from "./table.ts";

type Input<O extends keyof typeof operations> = InputOf<(typeof operations)[O]>;

/** A blob younger than this may be part of a pull whose image is not recorded yet. */
const YOUNG_MS = 3600_000;

/** In the order of the API's numbers. */
const DIFFERENCE_KINDS = ["modified", "added", "deleted"];

/** No image has more steps. */
const MAX_LINEAGE = 1000;

/** What the image operations work with. */
export interface ImageContext {
  readonly table: ImageTable;
  readonly layers: LayerStore;
  readonly content: ContentStore;
  readonly events: EventBus;
  readonly registries: RegistrySettings;
  readonly transfers: Transfers;
  readonly pushed: PushedTable;
  readonly kept: KeptStore;
}

/** An image as a container needs it. */
export interface ResolvedImage {
  id: ImageId;
  config: ImageConfig;
  topLayer: LayerId | null;
}

export class ImageService {
  readonly #context: ImageContext;
  readonly #keeper: ImageKeeper;
  #usersOf: (imageId: string) => readonly ImageUser[] = () => [];

  constructor(context: ImageContext) {
    this.#context = context;
    this.#keeper = new ImageKeeper({ ...context, removeUnneeded: (top) => this.removeUnneededLayers(top) });
  }

  /** Says how to find the containers of an image; set once by the wiring. */
  setUserLister(usersOf: (imageId: string) => readonly ImageUser[]): void {
    this.#usersOf = usersOf;
  }

  get count(): number {
    return this.#context.table.size;
  }

  /** Bytes of all layers of all images, each counted once. */
  get layersSizeBytes(): number {
    const ids = new Set(this.#context.table.all().flatMap((i) => i.layers));
    return this.#bytesOf([...ids]);
  }

  /** Returns the image that a create request names. Fails with notFound in Docker's words. */
  resolve(text: string, platform?: string): ResolvedImage {
    const image = this.#findFor(text, platform);
    const config = configOf(image);
    return { id: image.id, config, topLayer: image.layers.at(-1) ?? null };
  }

  /** Returns the record that a name or id means; of several the best for `platform`, where one fits. Fails with notFound. */
  find(text: string, platform?: Platform): ImageRecord {
    return this.#context.table.find(text, platform).image;
  }

  /** The same, but one that is not for the platform will not do. */
  #findFor(text: string, platform: string | undefined): ImageRecord {
    const image = this.find(text, platform ? wantedPlatform(platform) : undefined);
    requirePlatform(image, text, [platform]);
    return image;
  }

  /** Whether a name or id means an image. */
  has(text: string): boolean {
    try {
      return this.find(text) !== undefined;
    } catch {
      return false; // ignored: that is the answer
    }
  }

  /** Whether a container was made from an image, whatever its state. */
  isUsed(id: string): boolean {
    return this.#usersOf(id).length > 0;
  }

  /** Returns the configuration of an image that may be gone, for its history. */
  historyOf(id: string): ImageConfig | undefined {
    const image = this.#context.table.get(id);
    return image === undefined ? undefined : configOf(image);
  }

  /** Stores an image whose layers are there; used by the builder and by commit. */
  async add(image: ImageRecord): Promise<void> {
    const isNew = this.#context.table.get(image.id) === undefined;
    await this.#context.table.add(image, []);
    if (isNew) this.#publish("create", image);
  }

  /** What `ps` calls a container's image: the name it was created by as long as it means the same image, else the id. */
  nameFor(name: string, imageId: string): string {
    try {
      if (this.#context.table.find(name).image.id === imageId) return name;
    } catch {
      // ignored: the name is gone, the id remains
    }
    return imageId;
  }

  /** Whether an image is `reference` or built on it. */
  isDescendant(imageId: string, reference: string): boolean {
    const { image } = this.#context.table.find(reference);
    if (image.id === imageId) return true;
    const other = this.#context.table.get(imageId);
    return (
      other !== undefined && image.layers.length > 0 && image.layers.every((l, i) => other.layers[i] === l)
    );
  }

  #facts(image: ImageRecord, tags: readonly string[]): ImageFacts {
    const { table, layers } = this.#context;
    return {
      tags,
      lastTagTime: table.lastTagTime(image.id),
      containers: this.#usersOf(image.id).length,
      sharedBytes: -1,
      graph: graphData(layers.rootSource(image.layers.at(-1) ?? null)),
    };
  }

  async list(input: Input<"imageList">): Promise<ImageSummary[]> {
    if (input.identity && !input.manifests)
      throw new Fault("invalidParameter", "conflicting options: identity requires manifests=1", {
        code: "image.identity",
      });
    const shared = input.sharedSize ? this.#sharedLayers() : undefined;
    return selectImages(this.#context.table, input).map(({ image, tags }) => ({
      ...summaryOf(image, this.#facts(image, tags)),
      ...(shared === undefined
        ? {}
        : { SharedSize: this.#bytesOf(image.layers.filter((id) => shared.has(id))) }),
      ...this.#origin(image, input),
    }));
  }

  /** Layers that more than one image has; those of build steps do not count. */
  #sharedLayers(): Set<LayerId> {
    const once = new Set<LayerId>();
    const shared = new Set<LayerId>();
    for (const { layers } of this.#context.table.all().filter((i) => !i.isIntermediate))
      for (const id of new Set(layers)) (once.has(id) ? shared : once).add(id);
    return shared;
  }

  #bytesOf(layers: readonly LayerId[]): number {
    return layers.reduce((sum, id) => sum + (this.#context.layers.get(id)?.sizeBytes ?? 0), 0);
  }

  async inspect(input: Input<"imageInspect">): Promise<ImageInspect> {
    const image = this.#findFor(input.name, input.platform);
    const facts = this.#facts(image, this.#context.table.tagsOf(image.id));
    return { ...inspectOf(image, facts), ...this.#origin(image, input) };
  }

  /** What an image's name stands for in its registry, and, where it is asked for, all that there is under it. */
  #origin(
    image: ImageRecord,
    { manifests }: { readonly manifests: boolean },
  ): Pick<ImageInspect, "Descriptor" | "Manifests"> {
    const target = targetOf(image);
    const containersOf = (id: string) => this.#usersOf(id).map((user) => user.containerId);
    const all = manifests ? manifestsOf(image, this.#context.table.all(), containersOf) : undefined;
    return {
      ...(target === undefined ? {} : { Descriptor: target }),
      ...(all === undefined ? {} : { Manifests: all }),
    };
  }

  async history(input: Input<"imageHistory">): Promise<ImageHistory> {
    const image = this.#findFor(input.name, input.platform);
    const lineage: HistoryImage[] = [];
    for (
      let i: ImageRecord | undefined = image;
      i !== undefined && lineage.length < MAX_LINEAGE;
      i = this.#context.table.get(i.parentId)
    )
      lineage.push({ image: i, tags: this.#context.table.tagsOf(i.id) });
    return historyOf(lineage, this.#layersOf(image));
  }

  /** Keeps what a build says about its image. */
  async attest(id: string, made: MadeAttestation, signal: AbortSignal): Promise<void> {
    const { content, table } = this.#context;
    const attestations = await keepAttestation(content, () => this.find(id), made, signal);
    await table.commit([table.putChange({ ...this.find(id), attestations })]);
  }

  /** What was said about an image where it was pulled from, or built. */
  async attestations(input: Input<"imageAttestations">): Promise<ImageAttestations> {
    const { name, platform, type, statement } = input;
    if (platform.length > 1)
      throw new Fault("invalidParameter", "only one platform is supported", { code: "platform.invalid" });
    const image = this.#findFor(name, platform[0]);
    return listAttestations(this.#context.content, image, { types: type, isWhole: statement });
  }

  /** How the files of one image become those of another. */
  async diff(input: Input<"imageDiff">): Promise<ImageDiff> {
    if (!input.to)
      throw new Fault("invalidParameter", 'the parameter "to" has to name an image', { code: "image.diff" });
    const [from, to] = [this.find(input.name), this.find(input.to)];
    const differences = await this.#context.layers.compare(
      from.layers.at(-1) ?? null,
      to.layers.at(-1) ?? null,
    );
    return differences.map((d) => ({
      Kind: DIFFERENCE_KINDS.indexOf(d.kind),
      Path: d.path,
      Size: d.sizeBytes,
    }));
  }

  #layersOf(image: ImageRecord): LayerRecord[] {
    return image.layers.flatMap((id) => this.#context.layers.get(id) ?? []);
  }

  async tag(input: Input<"imageTag">): Promise<void> {
    const { image, reference } = this.#context.table.find(input.name);
    const repo = parseReference(input.repo ?? "");
    if (repo.digest !== undefined)
      throw new Fault("invalidParameter", "refusing to create a tag with a digest reference", {
        code: "image.tag-digest",
      });
    const name = input.tag === undefined ? withDefaultTag(repo) : withTag(repo, input.tag);
    if (familiarName(name) === "sha256")
      throw new Fault(
        "invalidParameter",
        "refusing to create an ambiguous tag using digest algorithm as name",
        { code: "image.tag-ambiguous" },
      );
    const all = reference === undefined ? [] : this.#context.table.imagesOf(reference);
    await this.#name(all.includes(image) ? all : [image], name);
  }

  /** Gives an image a name, taking it from the image that had it. */
  addName(image: ImageRecord, name: Reference): Promise<void> {
    return this.#name([image], name);
  }

  /** Gives one name to images for different platforms. */
  addPlatforms(images: readonly ImageRecord[], name: Reference): Promise<void> {
    return this.#name(images, name);
  }

  async #name(images: readonly ImageRecord[], name: Reference): Promise<void> {
    await this.#context.table.tag(images, name);
    this.#publish("tag", images[0] as ImageRecord, familiarString(withDefaultTag(name)));
  }

  /** Publishes an event of an image, with its labels and a name; compat: most actions have the id for a name. */
  #publish(action: string, image: ImageRecord, name: string = image.id, actorId: string = image.id): void {
    const attributes = { ...configOf(image).config.labels, name };
    this.#context.events.publish({ type: "image", action, actorId, attributes });
  }

  delete(input: Input<"imageDelete">): Promise<ImageDeleted[]> {
    return this.#remove(input, { isKept: true });
  }

  /** Takes a name, and the image where it was the last, away for good. */
  async discard(name: string, { isForced = false }: { readonly isForced?: boolean } = {}): Promise<void> {
    await this.#remove({ name, force: isForced, noprune: true, platforms: [] }, { isKept: false });
  }

  async #remove(
    input: Input<"imageDelete">,
    { isKept, group }: { isKept: boolean; group?: string },
  ): Promise<ImageDeleted[]> {
    const { table } = this.#context;
    const platforms = input.platforms.map(wantedPlatform);
    const plan = planDelete(table, input.name, { ...input, platforms }, this.#usersOf);
    const kept = isKept ? await this.#keeper.keep(plan.changes, group) : undefined;
    await table.commit([
      ...plan.changes,
      ...(kept === undefined ? [] : [this.#context.kept.putChange(kept)]),
    ]);
    for (const image of plan.untagged) this.#publish("untag", image);
    for (const { id } of plan.remove)
      this.#context.events.publish({
        type: "image",
        action: "delete",
        actorId: id,
        attributes: { name: id },
      });
    for (const gone of plan.remove) await this.#letLayersGo(gone);
    if (kept !== undefined) this.#context.kept.settle(kept);
    return [...plan.answer];
  }

  /** What a prune with these filters takes: by its name, or by its id; spare names of a used image are worth nothing. */
  prunable(filters: Filters): { name: string; sizeBytes: number }[] {
    const { table } = this.#context;
    const isWanted = imageMatcher({ table, usersOf: this.#usersOf }, filters);
    return table.all().flatMap((image) => {
      const refs = isWanted(image);
      if (this.isUsed(image.id)) return refs.map((name) => ({ name, sizeBytes: 0 }));
      return refs
        .slice(0, 1)
        .map((name) => ({ name: name === image.id ? name.slice(7, 19) : name, sizeBytes: image.sizeBytes }));
    });
  }

  async prune(input: Input<"imagePrune">): Promise<ImagesPrune> {
    const pruned = await pruneImages(this.#pruneDeps({ isKept: true, group: randomHex() }), input.filters);
    const swept = await this.sweep(Date.now() - YOUNG_MS);
    const report = { ...pruned, SpaceReclaimed: pruned.SpaceReclaimed + swept };
    const attributes = { reclaimed: String(report.SpaceReclaimed) };
    this.#context.events.publish({ type: "image", action: "prune", actorId: "", attributes });
    return report;
  }

  /** Removes the images of build steps that nothing stands on; returns the bytes that they took. */
  async pruneIntermediate(): Promise<number> {
    const { SpaceReclaimed } = await pruneImages(
      this.#pruneDeps({ isKept: false }),
      {},
      { onlyIntermediate: true },
    );
    return SpaceReclaimed + (await this.sweep(Date.now() - YOUNG_MS));
  }

  /**
   * Removes layers that nothing needs, and blobs stored before `storedBeforeMs` (since the epoch) that belong to none: what
   * crashes and interrupted work have left. Returns the bytes that they took.
   */
  async sweep(storedBeforeMs: number): Promise<number> {
    const { layers, content, pushed, table } = this.#context;
    const images = [...table.all(), ...this.#keeper.images];
    const neededBlobs = new Set(images.flatMap((image) => statementsOf(image).map((s) => s.digest)));
    const swept = await sweep({ layers, content }, { neededBlobs, storedBeforeMs });
    if (swept.layers.length > 0) await table.commit(swept.layers.map((l) => pushed.forgetChange(l.diffId)));
    return swept.reclaimedBytes;
  }

  #pruneDeps(options: { isKept: boolean; group?: string }): PruneDeps {
    const { table, layers } = this.#context;
    return {
      table,
      usersOf: this.#usersOf,
      remove: (name) => this.#remove({ name, force: false, noprune: false, platforms: [] }, options),
      // What is kept for a while counts as gone.
      sizeBytes: () =>
        [...layers.list()].reduce((sum, layer) => sum + layer.sizeBytes, 0) - this.#keeper.keptBytes,
    };
  }

  /** Removes the layers that only this image needed. */
  async #letLayersGo(image: ImageRecord): Promise<void> {
    const top = image.layers.at(-1);
    if (top === undefined) return;
    this.#context.layers.holds.release(top, `image:${image.id}`);
    await this.removeUnneededLayers(top);
  }

  /** Removes `top` and what is below it as far as no image and no container needs it, with the blobs kept for it. */
  async removeUnneededLayers(top: LayerId): Promise<void> {
    const removed = await this.#context.layers.removeUnneeded(top);
    for (const layer of removed)
      if (layer.blob !== undefined) await this.#context.content.remove(layer.blob.digest);
    if (removed.length > 0)
      await this.#context.table.commit(removed.map((l) => this.#context.pushed.forgetChange(l.diffId)));
  }

  async pull(input: Input<"imageCreate">, out: ProgressSink, call: Call): Promise<void> {
    for (const { reference } of await pullImage(this.#context, input, out, call.signal))
      this.#publishPull(reference);
  }

  #publishPull(reference: Reference): void {
    const image = this.#context.table.byReference(reference);
    if (image !== undefined) this.#publish("pull", image, familiarName(reference), familiarString(reference));
  }

  async push(input: Input<"imagePush">, out: ProgressSink, call: Call): Promise<void> {
    for (const { reference, image } of await pushImage(this.#context, input, out, call.signal))
      this.#publish("push", image, familiarName(reference), familiarString(reference));
  }

  async search(input: Input<"imageSearch">, call: Call): Promise<ImageSearch> {
    try {
      return await searchImages(this.#context.registries, input, call.signal);
    } catch (error) {
      // compat: a registry that does not answer is an error of the server's, not of its own being busy.
      if (!(error instanceof Fault) || error.kind !== "unavailable") throw error;
      throw new Fault("system", error.message, { code: error.code, cause: error });
    }
  }

  /** What a registry says of an image that need not be here. */
  async distribution(input: InputOf<typeof distributionInspect>, call: Call): Promise<DistributionInspect> {
    const reference = withDefaultTag(parseReference(input.name));
    const found = await firstAnswering(this.#context, reference, input.registryAuth, (repository) =>
      repository.describe(reference.digest ?? reference.tag ?? "latest", call.signal),
    );
    return {
      Descriptor: { mediaType: found.mediaType, digest: found.digest, size: found.sizeBytes },
      Platforms: found.platforms.map((p) => ({ ...p })),
    };
  }

  /**
   * Whether a registry takes these credentials. Returns the identity token that it wants to see in their place, if any. Fails with
   * unauthorized, invalidParameter, unavailable.
   */
  async login(auth: AuthConfigRequest, signal: AbortSignal): Promise<string | undefined> {
    const address = (auth.serveraddress || "docker.io").replace(/^https?:\/\//, "").replace(/\/.*$/, "");
    const domain = address === "index.docker.io" ? "docker.io" : address;
    const options = optionsFor(this.#context.registries, domain);
    return checkLogin(domain, credentialsOf(auth) ?? {}, options, signal);
  }

  /**
   * Pulls an image for a build, with Docker's progress lines. One for another machine's platform leaves the name to the image that
   * has it, so that `run` still finds the one for this machine.
   */
  async pullFor(
    reference: Reference,
    platform: Platform | undefined,
    registryAuth: Input<"imageCreate">["registryAuth"],
    onProgress: (line: Readonly<Record<string, unknown>>) => void,
    signal: AbortSignal,
  ): Promise<ImageRecord> {
    const input = {
      fromImage: familiarString(withDefaultTag(reference)),
      fromSrc: undefined,
      repo: undefined,
      tag: undefined,
      message: undefined,
      changes: [],
      platform: platform === undefined ? undefined : formatPlatform(platform),
      registryAuth,
    };
    const out = { write: async (line: Readonly<Record<string, unknown>>) => onProgress(line) };
    const isNameless = platform !== undefined && platformDistance(hostPlatform(), platform) === undefined;
    const [pulled] = await pullImage(this.#context, input, out, signal, { isNameless });
    if (pulled === undefined)
      throw new Fault("system", `nothing was pulled for ${familiarString(reference)}`);
    if (!isNameless) this.#publishPull(pulled.reference);
    return this.#context.table.get(pulled.imageId) ?? this.find(familiarString(reference));
  }

  /** Makes an image of parts that are asked for one by one, for a build; it gets no name. Fails with dataLoss, invalidParameter. */
  assemble(
    configBytes: Uint8Array,
    layers: readonly Descriptor[],
    source: Pick<RegistryRepository, "blob">,
    signal: AbortSignal,
  ): Promise<ImageRecord> {
    return assembleImage(this.#context, { configBytes, layers }, source, signal);
  }

  /** Asks the registry of a name, or a mirror of it. Fails as a pull does. */
  ask<T>(
    reference: Reference,
    registryAuth: Input<"imageCreate">["registryAuth"],
    question: (repository: RegistryRepository) => Promise<T>,
  ): Promise<T> {
    return firstAnswering(this.#context, reference, registryAuth, question);
  }

  /** Begins a push of images that have no name here (the parts of an index). */
  openPush(
    repository: Reference,
    registryAuth: Input<"imagePush">["registryAuth"],
    how: Pick<Push, "out" | "signal">,
  ): Push {
    return openPush(this.#context, repository, registryAuth, how);
  }

  async import(input: Input<"imageCreate">, body: UploadBody, out: ProgressSink, call: Call): Promise<void> {
    const { image, name } = await importImage(this.#context, input, body, out, call.signal);
    if (name !== undefined) this.#publish("tag", image, familiarString(name));
    this.#publish("import", image);
  }

  async load(
    { platforms }: Input<"imageLoad">,
    body: UploadBody,
    out: ProgressSink,
    { signal }: Call,
  ): Promise<void> {
    for (const image of await loadImages(this.#context, body, out, { signal, platforms }))
      this.#publish("load", image);
  }

  async save(input: Input<"imageGetAll">, call: Call): Promise<ByteStream> {
    return saveImages(this.#context, input, call.signal, (image) => this.#publish("save", image));
  }
}
