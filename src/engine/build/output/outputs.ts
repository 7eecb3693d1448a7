// What becomes of a build's result: names in the daemon, a push, or files and archives that the client takes over its session.
import type { AuthConfig } from "../../../api/contract.ts";
import type { BuildEvent } from "../../../build/events.ts";
import type { FsSession } from "../../../linux/keel.ts";
import { formatPlatform } from "../../../oci/platform.ts";
import { type SentTree, sendFiles } from "../../../build/session/send-files.ts";
import type { Session } from "../../../build/session/session.ts";
import { Fault } from "../../../lib/errors.ts";
import {
  canonicalString,
  DEFAULT_TAG,
  familiarName,
  familiarString,
  type Reference,
} from "../../../oci/reference.ts";
import { packTrees } from "../../../storage/layer/pack.ts";
import type { LayerRecord } from "../../../storage/layer/types.ts";
import type { LayerStore } from "../../../storage/layer/store.ts";
import type { ImageService } from "../../image/service.ts";
import { loginOf } from "../logins.ts";
import { type BuildRunner, tagOf } from "../runner.ts";
import { packIndex, plainLayer } from "./archive.ts";
import { attest, attests, type AttestWishes } from "./attestations.ts";
import { type IndexDocuments, makeIndex } from "./documents.ts";
import { type ExtraFile, fileSubjects, withFiles } from "./extra-files.ts";
import { EXPORT_STORE, writeLayout } from "./layout.ts";
import type { BuiltImage, Outcome } from "./outcome.ts";
import { type IndexEntry, pushIndex } from "./push-index.ts";

/** One wish of the client's. */
export interface Output {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
  /** Its number among the client's outputs. */
  readonly index: number;
}

export interface OutputContext {
  readonly runner: BuildRunner;
  readonly images: ImageService;
  readonly layers: LayerStore;
}

export interface OutputRun {
  readonly outcome: Outcome;
  readonly wishes: AttestWishes;
  readonly session: Session;
  readonly signal: AbortSignal;
  readonly onEvent: (event: BuildEvent) => void;
}

const IN_DAEMON = new Set(["moby", "image"]);
const HERE = new Set(["local", "tar", "oci", "docker"]);

/** Whether an output leaves the image in the daemon: only then it is listed. */
export function keepsImage(outputs: readonly Pick<Output, "type">[]): boolean {
  return outputs.length === 0 || outputs.some(({ type }) => IN_DAEMON.has(type));
}

/** compat: a layout in a directory instead of an archive. */
const isDirectory = ({ attrs }: Output): boolean => attrs["tar"] === "false";

const pushes = ({ attrs }: Output): boolean => attrs["push"] === "true";

function refuse(kind: "notImplemented" | "invalidParameter", message: string): Fault {
  return new Fault(kind, message, { code: "build.output" });
}

/** Refuses what is not understood, and what cannot hold the result, before anything is built. Throws Fault `build.output`. */
export function checkOutputs(outputs: readonly Output[], wishes: AttestWishes, platforms: number): void {
  for (const output of outputs) {
    const { type } = output;
    if (!IN_DAEMON.has(type) && !HERE.has(type) && type !== "" && type !== "cacheonly")
      throw refuse("notImplemented", `output type "${type}" is not supported`);
    if (type === "docker" && isDirectory(output))
      throw refuse("notImplemented", "type=docker,tar=false is not supported: use type=oci,tar=false");
    // compat: BuildKit's words.
    if (platforms > 1 && type === "docker")
      throw refuse("invalidParameter", "docker exporter does not currently support exporting manifest lists");
  }
  const carries = ({ type }: Output): boolean => IN_DAEMON.has(type) || (HERE.has(type) && type !== "docker");
  if (wishes.isExplicit && outputs.length > 0 && !outputs.some(carries))
    throw refuse(
      "invalidParameter",
      "provenance and SBOM are kept with an image in the daemon (--load), one that is pushed (--push), an OCI layout (--output type=oci,dest=FILE) or files (--output DIR): name such an output",
    );
}

const namesOf = ({ attrs }: Output): string[] =>
  (attrs["name"] ?? "").split(",").filter((name) => name !== "");

/** Whether one manifest is not enough for what was built. */
const needsIndex = ({ outcome, wishes }: OutputRun): boolean => outcome.length > 1 || attests(wishes);

async function nameAndPush(
  context: OutputContext,
  output: Output,
  run: OutputRun,
): Promise<Record<string, string>> {
  const names = namesOf(output);
  const references = names.map(tagOf);
  const imageIds = run.outcome.map((built) => built.imageId);
  await context.runner.name(imageIds, references, run.onEvent);
  const named = names.length === 0 ? {} : { "image.name": references.map(canonicalString).join(",") };
  if (!pushes(output)) {
    await keepStatements(context, references, run);
    return named;
  }
  if (names.length === 0) throw refuse("invalidParameter", "tag is needed when pushing to registry");
  if (!needsIndex(run)) {
    for (const reference of references) await push(context, reference, run);
    return named;
  }
  const pushed = [];
  for (const reference of references) pushed.push(await pushAsIndex(context, references, reference, run));
  const [first] = pushed;
  if (first !== undefined) await keepAttested(context, run, first);
  return { ...named, "containerimage.digest": first?.index.descriptor.digest ?? "" };
}

/** Keeps what is attested of images that stay here: of the manifests that they would have with layers as they are. */
async function keepStatements(
  context: OutputContext,
  names: readonly Reference[],
  run: OutputRun,
): Promise<void> {
  if (!attests(run.wishes)) return;
  await keepAttested(context, run, plainIndex(context, await entriesOf(context, names, run)));
}

async function keepAttested(
  { images }: OutputContext,
  { outcome, signal }: OutputRun,
  { attested }: IndexDocuments,
): Promise<void> {
  for (const [index, { imageId }] of outcome.entries()) {
    const about = attested[index];
    if (about === undefined) continue;
    const { descriptor, bytes } = about.manifest;
    const manifest = { mediaType: descriptor.mediaType, text: Buffer.from(bytes).toString("utf8") };
    const statements = about.statements.map((s) => ({ digest: s.descriptor.digest, bytes: s.bytes }));
    await images.attest(imageId, { manifest, statements }, signal);
  }
}

/** Returns the images with what is attested of them. */
async function entriesOf(
  { images, layers }: OutputContext,
  names: readonly Reference[],
  { outcome, wishes }: OutputRun,
): Promise<IndexEntry[]> {
  const entries: IndexEntry[] = [];
  for (const built of outcome) {
    const image = images.find(built.imageId);
    const attestations = await attest(built, image, wishes, { layers, names });
    entries.push({ image, platform: built.platform, attestations });
  }
  return entries;
}

async function pushAsIndex(
  context: OutputContext,
  names: readonly Reference[],
  reference: Reference,
  run: OutputRun,
): Promise<IndexDocuments> {
  run.onEvent({ type: "exporting", what: `pushing ${familiarString(reference)}` });
  const auth = await loginOf(run.session.credentials(reference.domain));
  const out = { write: (line: object) => Promise.resolve(refuseFailure(line)) };
  const push = context.images.openPush(reference, auth as AuthConfig | undefined, {
    out,
    signal: run.signal,
  });
  const entries = await entriesOf(context, names, run);
  return pushIndex(push, reference.tag ?? DEFAULT_TAG, entries);
}

async function push(context: OutputContext, reference: Reference, run: OutputRun): Promise<void> {
  const auth = await loginOf(run.session.credentials(reference.domain));
  const out = { write: (line: object) => Promise.resolve(refuseFailure(line)) };
  const input = {
    name: familiarName(reference),
    tag: reference.tag,
    platform: undefined,
    registryAuth: auth as AuthConfig | undefined,
  };
  run.onEvent({ type: "exporting", what: `pushing ${familiarString(reference)}` });
  await context.images.push(input, out, { signal: run.signal, version: "1.51" });
}

function idOf(images: ImageService, name: string): string | undefined {
  try {
    return images.find(name).id;
  } catch {
    return undefined; // ignored: the name is free
  }
}

/** Pushes the image as a cache: the daemon keeps no name for it. */
export async function pushCache(context: OutputContext, name: string, run: OutputRun): Promise<void> {
  const reference = tagOf(name);
  const { imageId } = run.outcome[0];
  const isOwnName = idOf(context.images, familiarString(reference)) === imageId;
  await context.runner.name([imageId], [reference], () => undefined);
  await push(context, reference, run);
  if (isOwnName) return;
  await context.images.discard(familiarString(reference));
}

/** A push that fails behind its first line says so in a line. */
function refuseFailure(line: object): void {
  const { error } = line as { error?: unknown };
  if (typeof error === "string") throw new Fault("system", error, { code: "build.push" });
}

/** compat: where several platforms go side by side, each has a directory of its own. */
function directoryOf({ outcome }: OutputRun, { platform }: BuiltImage): string {
  return outcome.length === 1 ? "" : `${formatPlatform(platform).replaceAll("/", "_")}/`;
}

/** compat: what was asked for in so many words lies beside the files that it is about. */
async function statementFiles(
  context: OutputContext,
  output: Output,
  run: OutputRun,
  { built, open }: { readonly built: BuiltImage; readonly open: () => Promise<FsSession> },
): Promise<ExtraFile[]> {
  if (!run.wishes.isExplicit) return [];
  const image = context.images.find(built.imageId);
  const attestations = await attest(built, image, run.wishes, { layers: context.layers, names: [] });
  const subjects = await fileSubjects(await open());
  return attestations.map(({ fileName, statementOf }) => ({
    name: `${output.attrs["attestation-prefix"] ?? ""}${fileName}`,
    bytes: Buffer.from(JSON.stringify(statementOf(subjects), undefined, 2)),
  }));
}

async function giveTree(context: OutputContext, output: Output, run: OutputRun): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const trees: SentTree[] = [];
  for (const built of run.outcome) {
    const top = context.images.find(built.imageId).layers.at(-1) ?? null;
    const open = async (): Promise<FsSession> =>
      stack.use(await context.layers.openFs(context.layers.rootSource(top)));
    const files = await statementFiles(context, output, run, { built, open });
    const finishedSec = Math.floor(Date.parse(built.finishedAt) / 1000);
    trees.push({
      directory: directoryOf(run, built),
      listing: withFiles(await open(), files, finishedSec),
      contents: withFiles(await open(), files, finishedSec),
    });
  }
  if (output.type === "tar") return await run.session.sendFile(packTrees(trees), output.index, run.signal);
  await run.session.sendTree((call) => sendFiles(call, trees), output.index, run.signal);
}

async function giveArchive(
  context: OutputContext,
  output: Output,
  run: OutputRun,
): Promise<Record<string, string>> {
  const names = namesOf(output);
  const references = names.map(tagOf);
  if (output.type === "oci" && (needsIndex(run) || isDirectory(output)))
    return giveIndex(context, references, output, run);
  const { imageId } = run.outcome[0];
  // The archive names the image as the daemon knows it.
  await context.runner.name([imageId], references, () => undefined);
  const wanted = names.length === 0 ? [imageId] : names;
  const call = { signal: run.signal, version: "1.51" };
  const archive = await context.images.save({ names: wanted, platforms: [] }, call);
  await run.session.sendFile(archive, output.index, run.signal);
  return {};
}

function layersOf({ layers }: OutputContext, { image }: IndexEntry): LayerRecord[] {
  const top = image.layers.at(-1);
  return top === undefined ? [] : layers.chain(top).toReversed();
}

/** Makes the documents of images whose layers are not compressed. */
function plainIndex(context: OutputContext, entries: readonly IndexEntry[]): IndexDocuments {
  return makeIndex(
    entries.map((entry) => ({
      platform: entry.platform,
      configText: entry.image.configText,
      layers: layersOf(context, entry).map(plainLayer),
      attestations: entry.attestations,
    })),
  );
}

async function giveIndex(
  context: OutputContext,
  names: readonly Reference[],
  output: Output,
  run: OutputRun,
): Promise<Record<string, string>> {
  const entries = await entriesOf(context, names, run);
  const documents = plainIndex(context, entries);
  const { session, signal } = run;
  const layers = entries.flatMap((entry) => layersOf(context, entry));
  if (!isDirectory(output)) {
    const archive = packIndex(context.layers, layers, documents, { names, signal });
    await session.sendFile(archive, output.index, signal);
    return {};
  }
  const content = session.content(EXPORT_STORE);
  const top = await writeLayout(content, { store: context.layers, layers }, documents, signal);
  const { mediaType, digest, sizeBytes: size } = top;
  const descriptor = Buffer.from(JSON.stringify({ mediaType, digest, size })).toString("base64");
  return { "containerimage.digest": digest, "containerimage.descriptor": descriptor };
}

/** Does with the result what one output asks for; returns what the client is told of it. */
export async function give(
  context: OutputContext,
  output: Output,
  run: OutputRun,
): Promise<Record<string, string>> {
  if (IN_DAEMON.has(output.type)) return nameAndPush(context, output, run);
  if (!HERE.has(output.type)) return {};
  run.onEvent({ type: "exporting", what: `sending ${output.type === "local" ? "files" : "tarball"}` });
  if (output.type !== "local" && output.type !== "tar") return giveArchive(context, output, run);
  await giveTree(context, output, run);
  return {};
}
