// What becomes of a build's result: names in the daemon, a push, or files and archives that the client takes over its session.
import type { AuthConfig } from "../../api/contract.ts";
import type { BuildEvent } from "../../build/events.ts";
import { sendFiles } from "../../build/session/send-files.ts";
import type { Session } from "../../build/session/session.ts";
import { Fault } from "../../lib/errors.ts";
import { familiarName, familiarString, type Reference } from "../../oci/reference.ts";
import { packTree } from "../../storage/layer/pack.ts";
import type { LayerStore } from "../../storage/layer/store.ts";
import type { ImageService } from "../image/service.ts";
import { loginOf } from "./logins.ts";
import { type BuildRunner, tagOf } from "./runner.ts";

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
  readonly imageId: string;
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

/** Refuses what is not understood, before anything is built. Throws Fault notImplemented. */
export function checkOutputs(outputs: readonly Output[]): void {
  for (const { type } of outputs)
    if (!IN_DAEMON.has(type) && !HERE.has(type) && type !== "" && type !== "cacheonly")
      throw new Fault("notImplemented", `output type "${type}" is not supported`, { code: "build.output" });
}

const namesOf = ({ attrs }: Output): string[] =>
  (attrs["name"] ?? "").split(",").filter((name) => name !== "");

async function nameAndPush(
  context: OutputContext,
  output: Output,
  run: OutputRun,
): Promise<Record<string, string>> {
  const names = namesOf(output);
  const references = names.map(tagOf);
  await context.runner.name(run.imageId, references, run.onEvent);
  // compat: a client of Docker's pushes by itself when it finds this attribute of its own.
  const wantsPush = output.attrs["berth-push"] === "true";
  if (wantsPush && names.length === 0)
    throw new Fault("invalidParameter", "tag is needed when pushing to registry", { code: "build.output" });
  for (const reference of wantsPush ? references : []) await push(context, reference, run);
  return names.length === 0 ? {} : { "image.name": names.join(",") };
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
  const isOwnName = idOf(context.images, familiarString(reference)) === run.imageId;
  await context.runner.name(run.imageId, [reference], () => undefined);
  await push(context, reference, run);
  if (isOwnName) return;
  await context.images.delete({
    name: familiarString(reference),
    force: false,
    noprune: true,
    platforms: [],
  });
}

/** A push that fails behind its first line says so in a line. */
function refuseFailure(line: object): void {
  const { error } = line as { error?: unknown };
  if (typeof error === "string") throw new Fault("system", error, { code: "build.push" });
}

async function giveTree(context: OutputContext, output: Output, run: OutputRun): Promise<void> {
  const top = context.images.find(run.imageId).layers.at(-1) ?? null;
  const root = context.layers.rootSource(top);
  await using listing = await context.layers.openFs(root);
  if (output.type === "tar") return run.session.sendFile(packTree(listing), output.index, run.signal);
  await using contents = await context.layers.openFs(root);
  await run.session.sendTree((call) => sendFiles(call, { listing, contents }), output.index, run.signal);
}

async function giveArchive(context: OutputContext, output: Output, run: OutputRun): Promise<void> {
  const names = namesOf(output);
  const references = names.map(tagOf);
  // The archive names the image as the daemon knows it.
  await context.runner.name(run.imageId, references, () => undefined);
  const wanted = names.length === 0 ? [run.imageId] : names;
  const call = { signal: run.signal, version: "1.51" };
  const archive = await context.images.save({ names: wanted, platforms: [] }, call);
  await run.session.sendFile(archive, output.index, run.signal);
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
  if (output.type === "local" || output.type === "tar") await giveTree(context, output, run);
  else await giveArchive(context, output, run);
  return {};
}
