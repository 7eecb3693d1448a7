// The builder's façade: a request and the ports in, events and an image id out. The story of a build, step by step:
// unpack the context, parse, outline, find the base images, plan, solve.

import { Fault, messageOf } from "../lib/errors.ts";
import type { Material } from "./attest/provenance.ts";
import { withImported } from "./cache/imported.ts";
import { formatPlatform, hostPlatform, type Platform, platformDistance } from "../oci/platform.ts";
import { openContexts, type OpenedContexts } from "./context/contexts.ts";
import { findingOf, type LintFinding } from "./dockerfile/lint/rules.ts";
import type { StagedDockerfile } from "./dockerfile/stages.ts";
import type { BuildEvent } from "./events.ts";
import { Explainer } from "./explain/explainer.ts";
import type { BuildGraph } from "./graph/vertex.ts";
import { declareMetaArgs, type Outline, outlineBuild } from "./graph/outline.ts";
import { contextPaths } from "./graph/context-paths.ts";
import { fullName, plannedSteps } from "./graph/planned-steps.ts";
import { NamedContexts, parseLayoutReference } from "./graph/named-contexts.ts";
import { type ImageResolver, planBuild } from "./graph/plan.ts";
import { argsOf, lintSteps, readLinted, readOpened } from "./read-dockerfile.ts";
import type { BuildRequest, BuildResult } from "./request.ts";
import { removeScratch } from "./solver/scratch.ts";
import type { BuildPorts, ResolveRequest, SourceImage } from "./solver/ports.ts";
import { working } from "./work.ts";
import { solveGraph } from "./solver/solve.ts";

export interface BuildOptions {
  readonly signal: AbortSignal;
  /** Called with every event, in order, synchronously. */
  readonly onEvent: (event: BuildEvent) => void;
}

/** Tells what the checks have found. Throws Fault `dockerfile.lint` where the Dockerfile wants that to be an error. */
function warn(findings: readonly LintFinding[], onEvent: (event: BuildEvent) => void): void {
  for (const { rule, message, line, url, description } of findings)
    onEvent({ type: "warning", message: `${rule}: ${message} (line ${line})`, url, detail: description });
}

/** compat: BuildKit's warning of a base image for another platform than the build's. */
function warnOfPlatforms(graph: BuildGraph, target: Platform, onEvent: (event: BuildEvent) => void): void {
  for (const { op, lines, text } of graph.vertices) {
    // What is only copied from has no line of its own.
    if (op.kind !== "image" || text === undefined) continue;
    const wanted = op.platform ?? target;
    const { os, architecture, variant } = op.image.config;
    const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    if (platformDistance(wanted, platform) !== undefined) continue;
    const message = `Base image ${op.image.name} was pulled with platform "${formatPlatform(platform)}", expected "${formatPlatform(wanted)}" for current build`;
    warn([findingOf("InvalidBaseImagePlatform", message, lines)], onEvent);
  }
}

/** Asks for each image once, whatever the number of stages that name it. */
class Resolver {
  private readonly request: BuildRequest;
  private readonly ports: BuildPorts;
  private readonly options: BuildOptions;
  private readonly stop = new AbortController();
  private readonly known = new Map<string, Promise<SourceImage>>();

  constructor(request: BuildRequest, ports: BuildPorts, options: BuildOptions) {
    this.request = request;
    this.ports = ports;
    this.options = options;
  }

  readonly resolve: ImageResolver = (base, step, stage) => {
    const platform = base.platform ?? this.request.platform;
    const key = JSON.stringify([base.reference, platform]);
    let image = this.known.get(key);
    if (image === undefined) {
      const layout = parseLayoutReference(base.reference);
      const signal = AbortSignal.any([this.options.signal, this.stop.signal]);
      if (layout !== undefined && this.request.takeFromLayout === undefined)
        throw new Fault("notImplemented", "the client offers no OCI layouts", { code: "build.layout" });
      const onProgress = (line: Readonly<Record<string, unknown>>): void =>
        this.options.onEvent({ type: "pull", at: { stage, step }, line });
      image = layout && this.request.takeFromLayout?.(layout, signal);
      image ??= this.fromRegistry(base.reference, platform, { onProgress, signal });
      image.catch(() => undefined); // ignored: whoever needs the image awaits it
      this.known.set(key, image);
    }
    return image;
  };

  private async fromRegistry(
    reference: string,
    platform: Platform | undefined,
    { onProgress, signal }: Pick<ResolveRequest, "onProgress" | "signal">,
  ): Promise<SourceImage> {
    const name = fullName(reference);
    const wanted = { identifier: `docker-image://${name}`, platform: platform ?? hostPlatform() };
    await this.request.judge?.(wanted, signal);
    const resolve = (): Promise<SourceImage> =>
      this.ports.images.resolve({
        reference,
        ...(platform === undefined ? {} : { platform }),
        pull: this.request.pull ?? false,
        credentials: this.request.credentials ?? (async () => undefined),
        onProgress,
        signal,
      });
    if (this.request.dialect !== "buildkit") return await resolve();
    return await working(this.options.onEvent, `[internal] load metadata for ${name}`, resolve);
  }

  /** What was asked for and found. */
  async materials(): Promise<Material[]> {
    const images = await Promise.all(this.known.values());
    return images.map(({ id, config, name, registryDigest }) => ({
      name,
      platform: formatPlatform({ os: config.os, architecture: config.architecture }),
      digest: registryDigest ?? id,
    }));
  }

  /** Stops what is still being pulled and waits for its end. */
  async close(): Promise<void> {
    this.stop.abort(new Fault("cancelled", "the build is over", { code: "build.cancelled" }));
    await Promise.allSettled(this.known.values());
  }
}

function announce(file: StagedDockerfile, outline: Outline, onEvent: (event: BuildEvent) => void): void {
  const [first] = outline.needed;
  onEvent({ type: "planned", total: outline.totalSteps, stages: outline.needed.map((s) => s.stage.index) });
  for (const [i, arg] of file.metaArgs.entries()) {
    onEvent({ type: "step", at: { stage: first?.stage.index ?? 0, step: i + 1 }, text: arg.text });
  }
  for (const { stage, firstStep } of outline.needed) {
    onEvent({ type: "step", at: { stage: stage.index, step: firstStep }, text: stage.from.text });
  }
}

function epochOf({ epochSec, buildArgs }: BuildRequest): number | undefined {
  const text = buildArgs?.["SOURCE_DATE_EPOCH"];
  if (text === undefined || text === null || text === "") return epochSec;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new Fault("invalidParameter", `invalid SOURCE_DATE_EPOCH: ${text}`, { code: "build.epoch" });
}

/** Images of `--cache-from`; one that cannot be had costs time only, and a warning. */
async function importedImages(
  request: BuildRequest,
  ports: BuildPorts,
  options: BuildOptions,
): Promise<readonly SourceImage[]> {
  const found = await Promise.all(
    (request.importedFrom ?? []).map(async (reference) => {
      try {
        return await ports.images.resolve({
          reference,
          ...(request.platform === undefined ? {} : { platform: request.platform }),
          pull: true,
          credentials: request.credentials ?? (async () => undefined),
          onProgress: () => undefined,
          signal: options.signal,
        });
      } catch (error) {
        options.signal.throwIfAborted();
        const message = `failed to import cache from ${reference}: ${messageOf(error)}`;
        options.onEvent({ type: "warning", message });
        return undefined;
      }
    }),
  );
  return found.filter((image) => image !== undefined);
}

/** compat: images of `--cache-from` that are not here are passed over. */
async function cacheImagesOf(
  { cacheImages }: BuildRequest,
  ports: BuildPorts,
): Promise<readonly SourceImage[] | undefined> {
  if (cacheImages === undefined || cacheImages.length === 0) return undefined;
  const found = await Promise.all(cacheImages.map((name) => ports.images.findLocal(name)));
  return found.filter((image) => image !== undefined);
}

/** Which stages are built without what is known: all, or those of `--no-cache-filter` by name or number. */
function uncachedStages(request: BuildRequest, file: StagedDockerfile): (stage: number) => boolean {
  if (request.noCache) return () => true;
  const names = new Set((request.noCacheFilter ?? []).map((name) => name.toLowerCase()));
  return (stage) => names.has(String(stage)) || names.has(file.stages[stage]?.from.name || "");
}

async function build(
  request: BuildRequest,
  ports: BuildPorts,
  options: BuildOptions,
  stack: AsyncDisposableStack,
): Promise<BuildResult> {
  const directory = await ports.makeScratch();
  stack.defer(() => removeScratch(directory));
  const opened = await openContexts(request, directory, options);
  stack.defer(() => opened.close());
  try {
    return await buildOpened(request, opened, ports, options, stack);
  } catch (error) {
    throw withDockerfile(error, opened);
  }
}

/** Returns a failure that speaks of a line with the file it speaks of (`detail.dockerfile`). */
function withDockerfile(error: unknown, opened: OpenedContexts): unknown {
  if (!(error instanceof Fault) || typeof error.detail["line"] !== "number") return error;
  const dockerfile = { name: opened.dockerfileName, text: opened.dockerfile };
  const { kind, message, code, detail, cause } = error;
  return new Fault(kind, message, { code, detail: { ...detail, dockerfile }, cause });
}

/** What is to be built, and how. */
interface PlannedBuild {
  readonly file: StagedDockerfile;
  readonly graph: BuildGraph;
  readonly resolver: Resolver;
}

/** Reads, looks at and plans what opened contexts hold; `findings` has what was found also where this throws. */
async function planOpened(
  request: BuildRequest,
  opened: OpenedContexts,
  ports: BuildPorts,
  options: BuildOptions & { readonly stack: AsyncDisposableStack; readonly findings: LintFinding[] },
): Promise<PlannedBuild> {
  const contexts = new NamedContexts(request.contexts);
  const dialect = request.dialect ?? "classic";
  // compat: the classic builder's output knows no checks, only the reader's own remarks.
  const linted = dialect === "classic" ? undefined : readLinted(request, opened, options.findings);
  const staged = linted?.file ?? readOpened(opened, dialect);
  const file = contexts.replaceStages(staged);
  if (dialect === "classic")
    for (const message of file.warnings) options.onEvent({ type: "warning", message });
  const args = argsOf(request, file);
  declareMetaArgs(file, args);
  const labels = request.labels ?? {};
  const extraSteps = Object.keys(labels).length;
  const outline = outlineBuild(file, args, { target: request.target, extraSteps, contexts, dialect });
  const needed = new Set(outline.needed.map(({ stage }) => stage.index));
  if (linted !== undefined) await lintSteps(linted.linter, request, { file: staged, needed }, ports.images);
  announce(file, outline, options.onEvent);
  const resolver = new Resolver(request, ports, options);
  options.stack.defer(() => resolver.close());
  const { resolve } = resolver;
  // All base images at once; the plan then waits for each in its turn.
  for (const { base, firstStep, stage } of outline.needed) {
    if (base.kind === "image") void resolve(base, firstStep, stage.index);
  }
  const graph = await planBuild({
    file,
    outline,
    args,
    resolve,
    labels,
    network: request.network || "default",
    dialect,
    contexts,
    allowed: request.allowed ?? [],
    devices: ports.devices,
  });
  linted?.linter.finish();
  return { file, graph, resolver };
}

async function buildOpened(
  request: BuildRequest,
  opened: OpenedContexts,
  ports: BuildPorts,
  options: BuildOptions,
  stack: AsyncDisposableStack,
): Promise<BuildResult> {
  const dialect = request.dialect ?? "classic";
  const findings: LintFinding[] = [];
  // compat: they are told of when the base images are known, or when it is known that there will be no build.
  const planned = await planOpened(request, opened, ports, { ...options, stack, findings }).finally(() =>
    warn(findings, options.onEvent),
  );
  const { file, graph, resolver } = planned;
  if (dialect === "buildkit") warnOfPlatforms(graph, request.platform ?? hostPlatform(), options.onEvent);
  options.onEvent({ type: "graph", steps: plannedSteps(graph, file) });
  opened.narrow(contextPaths(graph));
  const { imageId, steps } = await solveGraph({
    graph,
    ports: {
      ...ports,
      cache: withImported(
        ports.cache,
        await importedImages(request, ports, options),
        request.importedCaches ?? [],
      ),
    },
    contexts: opened,
    client: request.client,
    isHidden: request.isHidden ?? false,
    carriesSteps: request.carriesSteps ?? false,
    epochSec: epochOf(request),
    rewritesTimes: request.rewritesTimes ?? false,
    cacheImages: await cacheImagesOf(request, ports),
    isUncached: uncachedStages(request, file),
    explainer:
      request.subject === undefined
        ? undefined
        : new Explainer({ history: ports.history, subject: request.subject, vertices: graph.vertices }),
    explains: request.explains ?? false,
    debugs: request.debugs ?? false,
    platform: request.platform,
    run: {
      extraHosts: request.extraHosts ?? [],
      shmSizeBytes: request.shmSizeBytes ?? 0,
      limits: request.limits ?? {},
    },
    dialect,
    emit: options.onEvent,
    signal: options.signal,
  });
  if (graph.unusedArgs.length > 0) options.onEvent({ type: "unused-args", names: graph.unusedArgs });
  options.onEvent({ type: "built", imageId });
  const { dockerfileName: name, dockerfile: text } = opened;
  return { imageId, dockerfile: { name, text }, materials: await resolver.materials(), steps };
}

/**
 * Builds an image. Throws a Fault: `dockerfile.*` and `build.*` for the user's mistakes, `build.step-failed` with
 * `detail.exitCode` for a failing RUN, kind cancelled when the signal was aborted. Afterwards no draft, container
 * or temporary file is left, whatever happened.
 */
export async function buildImage(
  request: BuildRequest,
  ports: BuildPorts,
  options: BuildOptions,
): Promise<BuildResult> {
  await using stack = new AsyncDisposableStack();
  try {
    return await build(request, ports, options, stack);
  } catch (error) {
    if (options.signal.aborted && !(error instanceof Fault && error.kind === "cancelled")) {
      throw new Fault("cancelled", "build cancelled", { code: "build.cancelled", cause: error });
    }
    throw error;
  }
}
