// BuildKit's control service, as buildx and Compose use it: Solve announces a build with its session and what becomes of the
// result; the client then drives the Dockerfile frontend through the gateway (Ping, Solve, Return) and reads Status.
// A build under way is an entry of #builds from Solve's beginning to its end.
import type { CdiCatalogue } from "../../runtime/cdi/load.ts";
import { platformsOfAttrs, requestOfAttrs } from "../../build/frontend-attrs.ts";
import type { AuthConfig } from "../../api/contract.ts";
import type { ImportedRecord } from "../../build/cache/imported.ts";
import { byteStream } from "../../build/session/byte-stream.ts";
import type { Session } from "../../build/session/session.ts";
import { DEFAULT_TAG, familiarString } from "../../oci/reference.ts";
import type { BuildEvent } from "../../build/events.ts";
import type { BuildRequest, BuiltStep } from "../../build/request.ts";
import {
  BUILD_ID_KEY,
  CONTROL_METHODS,
  diskUsageRequest,
  diskUsageResponse,
  empty,
  GATEWAY_METHODS,
  gatewaySolveRequest,
  gatewaySolveResponse,
  infoResponse,
  listWorkersResponse,
  pruneRequest,
  pongResponse,
  readFileRequest,
  readFileResponse,
  returnRequest,
  SESSION_HELLO_KEYS,
  solveRequest,
  solveResponse,
  statFileRequest,
  statFileResponse,
  statusRequest,
  statusResponse,
  usageRecord,
} from "../../lib/build-protocol/control.ts";
import { historyEvent, historyRequest, updateHistoryRequest } from "../../lib/build-protocol/history.ts";
import { Fault } from "../../lib/errors.ts";
import { type Methods, type ServerCall, serverStream, unary } from "../../lib/grpc/server.ts";
import { newId } from "../../lib/id.ts";
import { formatNano, nowNano } from "../../lib/time.ts";
import { formatPlatform, hostPlatform, type Platform } from "../../oci/platform.ts";
import { faultForBuildKit } from "./explain.ts";
import { imageFromLayout } from "./layout.ts";
import { answerTo } from "./answers/answer.ts";
import { loginOf } from "./logins.ts";
import { sourceImageOf } from "./ports.ts";
import { tagOf } from "./runner.ts";
import { CacheExporter, readCache, writeBytes } from "./cache/bundles.ts";
import { pushSteps, readFromRegistry } from "./cache/registry.ts";
import { BUILD_CAPS, BUILDKIT_VERSION, FRONTEND_CAPS, worker } from "./capabilities.ts";
import { type CacheAccess, pruneFor, usageOf } from "./control-cache.ts";
import { ControlBuild, type SolveInput } from "./control-build.ts";
import { attestWishesOf } from "./output/attestations.ts";
import type { BuiltImage, Outcome } from "./output/outcome.ts";
import {
  checkOutputs,
  give,
  keepsImage,
  type OutputContext,
  type OutputRun,
  pushCache,
} from "./output/outputs.ts";
import { BuildHistory, historyClock } from "./history.ts";
import { References } from "./references.ts";
import { definitionOf, remoteOf, withInputs } from "./result-definition.ts";
import type { SessionTable } from "./sessions.ts";

type Attrs = Readonly<Record<string, string>>;
type Inputs = Readonly<Record<string, Uint8Array>>;
type GatewayInput = ReturnType<typeof gatewaySolveRequest.decode>;

export interface ControlOptions extends OutputContext {
  readonly sessions: SessionTable;
  /** The host's CDI devices. */
  readonly devices: () => Promise<Pick<CdiCatalogue, "devices">>;
  readonly cache: CacheAccess;
}

/** How long a call about a build waits for the build to be announced. */
const WAIT_MS = 5_000;
/** The frontend that this builder is. */
const FRONTENDS = new Set(["dockerfile.v0", "gateway.v0"]);

export class Control {
  readonly #options: ControlOptions;
  readonly #builds = new Map<string, ControlBuild>();
  /** All of them, and those that have ended. */
  readonly #history = new BuildHistory();
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #exporter: CacheExporter;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#exporter = new CacheExporter(options.layers);
  }

  methods(): Methods {
    const M = CONTROL_METHODS;
    const G = GATEWAY_METHODS;
    return {
      [M.info]: unary(empty, infoResponse, async () => ({ version: BUILDKIT_VERSION })),
      [M.session]: (call) => this.#openSession(call),
      [M.listWorkers]: unary(empty, listWorkersResponse, async () => ({ record: [await this.#worker()] })),
      [M.diskUsage]: unary(diskUsageRequest, diskUsageResponse, async (input) =>
        usageOf(this.#options.cache, input),
      ),
      [M.prune]: serverStream(pruneRequest, usageRecord, (input) => pruneFor(this.#options.cache, input)),
      [M.solve]: unary(solveRequest, solveResponse, (input, call) => this.#solve(input, call)),
      [M.status]: serverStream(statusRequest, statusResponse, (input, call) => this.#status(input.ref, call)),
      [M.listenHistory]: serverStream(
        historyRequest,
        historyEvent,
        (input, call) => this.#history.listen(input, call.signal),
        historyClock,
      ),
      [M.updateHistory]: unary(updateHistoryRequest, empty, async (input) => {
        this.#history.update(input);
        return {};
      }),
      [G.ping]: unary(empty, pongResponse, async () => ({
        frontendCaps: FRONTEND_CAPS.map((id) => ({ id, isEnabled: true })),
        llbCaps: BUILD_CAPS.map((id) => ({ id, isEnabled: true })),
        workers: [await this.#worker()],
      })),
      [G.solve]: unary(gatewaySolveRequest, gatewaySolveResponse, (input, call) =>
        this.#gatewaySolve(input, call),
      ),
      [G.return]: unary(returnRequest, empty, (input, call) => this.#return(input, call)),
      [G.statFile]: unary(statFileRequest, statFileResponse, async ({ ref, path }, call) => ({
        stat: await (await this.#ofCall(call)).references.stat(ref, path),
      })),
      [G.readFile]: unary(readFileRequest, readFileResponse, async ({ ref, path, range }, call) => ({
        data: await (await this.#ofCall(call)).references.read(ref, path, range),
      })),
      [G.inputs]: unary(empty, empty, async () => ({})),
      [G.evaluate]: unary(empty, empty, async () => ({})),
      [G.warn]: unary(empty, empty, async () => ({})),
    };
  }

  /** A session whose connection is the call itself: so clients open one for several builds. */
  async #openSession(call: ServerCall): Promise<void> {
    const words = (name: string): string[] => String(call.metadata[name] ?? "").split(/,\s*/);
    const [id = ""] = words(SESSION_HELLO_KEYS.id);
    const [sharedKey = ""] = words(SESSION_HELLO_KEYS.sharedKey);
    const hello = { id, sharedKey, methods: words(SESSION_HELLO_KEYS.methods) };
    this.#options.sessions.check(hello);
    const { messages, signal } = call;
    const connection = byteStream({ messages, end: () => undefined, cancel: () => undefined });
    connection.on("error", () => undefined); // ignored: whoever asks the client is told
    signal.addEventListener("abort", () => connection.destroy(), { once: true });
    await this.#options.sessions.serve(connection, hello);
  }

  async #worker() {
    return worker((await this.#options.devices()).devices);
  }

  async #solve(input: SolveInput, call: ServerCall): Promise<{ exporterResponse: Record<string, string> }> {
    if (input.ref === "" || this.#builds.has(input.ref))
      throw new Fault("invalidParameter", `build "${input.ref}" cannot be started`, { code: "build.id" });
    await using references = new References(this.#options.runner);
    const build = new ControlBuild(input, references);
    this.#builds.set(input.ref, build);
    this.#history.begin(build);
    for (const wake of this.#waiting.get(input.ref) ?? []) wake();
    this.#waiting.delete(input.ref);
    const cancel = (): void => {
      const fault = new Fault("cancelled", "build cancelled", { code: "build.cancelled" });
      build.abort.abort(fault);
      build.returned.reject(fault);
    };
    call.signal.addEventListener("abort", cancel, { once: true });
    try {
      const exporterResponse = await this.#respond(build);
      build.end();
      this.#history.end(input.ref, { response: exporterResponse });
      return { exporterResponse };
    } catch (error) {
      build.end();
      this.#history.end(input.ref, { error });
      throw error;
    } finally {
      call.signal.removeEventListener("abort", cancel);
      this.#builds.delete(input.ref);
    }
  }

  async #respond(build: ControlBuild): Promise<Record<string, string>> {
    const { frontend, frontendAttrs } = build.input;
    const isDirect = FRONTENDS.has(frontend);
    if (isDirect && frontendAttrs["requestid"] !== undefined) return await this.#answer(build, frontendAttrs);
    const outcome = isDirect ? await this.#run(build, frontendAttrs) : await build.returned.promise;
    return outcome === undefined ? {} : await this.#export(build, outcome);
  }

  /** Finds an announced build; a client may be quicker with its questions than with the announcement. */
  async #find(ref: string): Promise<ControlBuild> {
    if (!this.#builds.has(ref)) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, WAIT_MS);
        const wake = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#waiting.set(ref, [...(this.#waiting.get(ref) ?? []), wake]);
      });
    }
    const build = this.#builds.get(ref);
    if (build === undefined) throw new Fault("notFound", `no such job ${ref}`, { code: "build.not-found" });
    return build;
  }

  #ofCall(call: ServerCall): Promise<ControlBuild> {
    return this.#find(String(call.metadata[BUILD_ID_KEY] ?? ""));
  }

  async *#status(ref: string, call: ServerCall) {
    const progress = this.#history.progressOf(ref) ?? (await this.#find(ref)).progress;
    yield* progress.read(call.signal);
  }

  async #gatewaySolve(input: GatewayInput, call: ServerCall) {
    const build = await this.#ofCall(call);
    if (input.frontend === "" && input.definition.length === 0) return { result: { ref: { id: "" } } };
    if (input.frontend === "") {
      const id = await build.references.open(remoteOf(input.definition), build.abort.signal);
      return { ref: id, result: { ref: { id } } };
    }
    if (!FRONTENDS.has(input.frontend))
      throw new Fault("notImplemented", `frontend "${input.frontend}" is not supported`, {
        code: "build.frontend",
      });
    if (input.frontendOpt["requestid"] !== undefined) {
      const answer = Object.entries(await this.#answer(build, input.frontendOpt));
      const metadata = Object.fromEntries(answer.map(([name, text]) => [name, Buffer.from(text)]));
      return { result: { ref: { id: "" }, metadata } };
    }
    build.attrs = { ...build.attrs, ...input.frontendOpt };
    const outcome = await this.#run(build, input.frontendOpt, input.frontendInputs);
    const id = newId();
    build.results.set(id, outcome);
    const [first, ...more] = outcome;
    const result = { ref: { id, definition: definitionOf(first.imageId) } };
    return { ref: id, result: more.length === 0 ? result : severalOf(id, outcome) };
  }

  /** Answers a request to the frontend that is no build. */
  async #answer(build: ControlBuild, attrs: Attrs): Promise<Record<string, string>> {
    try {
      const request = await this.#requestOf(build, attrs, platformsOfAttrs(attrs)[0]);
      return await answerTo(attrs["requestid"] ?? "", this.#options.runner, request, build.abort.signal);
    } catch (error) {
      throw error instanceof Fault ? faultForBuildKit(error) : error;
    }
  }

  async #requestOf(build: ControlBuild, attrs: Attrs, platform?: Platform): Promise<BuildRequest> {
    const session = await this.#options.sessions.find(build.input.session, build.abort.signal);
    const base = requestOfAttrs(attrs, platform);
    return {
      ...base,
      client: session,
      subject: JSON.stringify([session.sharedKey, attrs["context"], attrs["filename"], platform]),
      takeFromLayout: async ({ store, digest }, signal) => {
        const source = session.content(`oci:${store}`);
        const wanted = platform ?? hostPlatform();
        return sourceImageOf(
          await imageFromLayout(this.#options.images, source, digest, wanted, signal),
          store,
        );
      },
      allowed: build.input.entitlements,
      ...(await this.#judgeOf(build)),
      ...(await this.#imports(build, session)),
      carriesSteps: build.cache.carriesSteps,
      isHidden: !keepsImage(build.outputs),
      rewritesTimes: build.outputs.some(({ attrs }) => attrs["rewrite-timestamp"] === "true"),
      credentials: async (domain) => loginOf(session.credentials(domain)),
      ...(await uploadOf(base, session, build.abort.signal)),
    };
  }

  /** Who judges the sources of a build: a service of its client, or nobody. */
  async #judgeOf({ input, abort }: ControlBuild): Promise<Pick<BuildRequest, "judge">> {
    if (input.sourcePolicySession === "") return {};
    const session = await this.#options.sessions.find(input.sourcePolicySession, abort.signal);
    return { judge: (source, signal) => session.judge(source, signal) };
  }

  /** Finds the caches that are to be read; what cannot be had is left for the build to warn of. */
  async #imports(
    { cache, abort: { signal } }: ControlBuild,
    session: Session,
  ): Promise<Pick<BuildRequest, "importedFrom" | "importedCaches">> {
    const local = cache.localImports.map(({ store, digest }) =>
      readCache(session.content(store), digest, signal),
    );
    const importedFrom: string[] = [];
    const remote = cache.importedFrom.map(async (name) => {
      const reference = tagOf(name);
      const auth = await loginOf(session.credentials(reference.domain));
      const found = await readFromRegistry(
        this.#options.images,
        reference,
        auth as AuthConfig | undefined,
        signal,
      ).catch(() => undefined); // ignored: see above
      if (found === undefined) importedFrom.push(name);
      return found ?? new Map<string, ImportedRecord>();
    });
    return { importedCaches: await Promise.all([...local, ...remote]), importedFrom };
  }

  async #pushSteps(name: string, outcome: Outcome, { session, signal, onEvent }: OutputRun): Promise<void> {
    const reference = tagOf(name);
    onEvent({ type: "exporting", what: `pushing the build cache to ${familiarString(reference)}` });
    const auth = await loginOf(session.credentials(reference.domain));
    const out = { write: async () => undefined };
    const push = this.#options.images.openPush(reference, auth as AuthConfig | undefined, { out, signal });
    const steps = stepsOnce(outcome.flatMap((built) => built.steps));
    await pushSteps(this.#exporter, steps, push, reference.tag ?? DEFAULT_TAG);
  }

  /** Builds for all platforms at the same time; the first failure stops the others. */
  async #run(build: ControlBuild, attrs: Attrs, inputs: Inputs = {}): Promise<Outcome> {
    const platforms = platformsOfAttrs(attrs);
    checkOutputs(build.outputs, attestWishesOf(attrs), platforms.length);
    if (platforms.length > 1 && UPLOAD.test(attrs["context"] ?? ""))
      throw new Fault(
        "invalidParameter",
        "a context from standard input can be built for one platform only: it is there once",
        { code: "build.platforms" },
      );
    const wanted = platforms.length === 0 ? [undefined] : platforms;
    const stop = new AbortController();
    const signal = AbortSignal.any([build.abort.signal, stop.signal]);
    const isOne = wanted.length === 1;
    const runs = wanted.map((platform) => {
      const resolved = withInputs(attrs, inputs, platform ?? hostPlatform());
      return this.#runFor(build, resolved, { platform, signal, isOne });
    });
    try {
      return (await Promise.all(runs)) as [BuiltImage, ...BuiltImage[]];
    } catch (error) {
      const fault = error instanceof Fault ? faultForBuildKit(error) : error;
      build.failure = fault;
      stop.abort(new Fault("cancelled", "the build for another platform failed", { cause: error }));
      await Promise.allSettled(runs);
      throw fault;
    }
  }

  async #runFor(
    build: ControlBuild,
    attrs: Attrs,
    { platform, signal, isOne }: { platform: Platform | undefined; signal: AbortSignal; isOne: boolean },
  ): Promise<BuiltImage> {
    const request = await this.#requestOf(build, attrs, platform);
    const target = platform ?? hostPlatform();
    const tell = build.tell(formatPlatform(target), { isOne });
    const startedAt = formatNano(nowNano());
    const result = await this.#options.runner.run(request, tell, signal);
    const finishedAt = formatNano(nowNano());
    return { ...result, platform: target, buildId: build.input.ref, attrs, startedAt, finishedAt };
  }

  async #return(input: ReturnType<typeof returnRequest.decode>, call: ServerCall) {
    const build = await this.#ofCall(call);
    const { result, error } = input;
    if (error !== undefined && (error.code ?? 0) !== 0)
      build.returned.reject(
        build.failure ?? new Fault("system", error.message ?? "the build failed", { code: "build.returned" }),
      );
    else {
      const id = result?.ref?.id ?? Object.values(result?.refs?.refs ?? {})[0]?.id;
      build.returned.resolve(id === undefined ? undefined : build.results.get(id));
    }
    return {};
  }

  /** Does with the result what the client asked for. */
  async #export(build: ControlBuild, outcome: Outcome): Promise<Record<string, string>> {
    const session = await this.#options.sessions.find(build.input.session, build.abort.signal);
    const [{ imageId, attrs }] = outcome;
    const { signal } = build.abort;
    let response: Record<string, string> =
      outcome.length > 1 ? {} : { "containerimage.config.digest": imageId, "containerimage.digest": imageId };
    const [renderer] = build.renderers;
    const run = {
      outcome,
      wishes: attestWishesOf(attrs),
      session,
      signal,
      onEvent: (event: BuildEvent) => build.progress.push(renderer?.push(event) ?? []),
    };
    for (const output of build.outputs)
      response = { ...response, ...(await give(this.#options, output, run)) };
    for (const name of build.cache.pushedTo) await pushCache(this.#options, name, run);
    for (const name of build.cache.wholePushedTo) await this.#pushSteps(name, outcome, run);
    for (const { store, isWhole } of build.cache.localExports) {
      run.onEvent({ type: "exporting", what: "writing the build cache" });
      const steps = outcome.flatMap((built) => built.steps.filter((step) => isWhole || step.isOfTarget));
      const to = session.content(store);
      const { bytes, descriptor } = await this.#exporter.write(stepsOnce(steps), to, signal);
      const { mediaType, digest, sizeBytes: size } = descriptor;
      await writeBytes(bytes, mediaType, to, signal);
      response["cache.manifest"] = JSON.stringify({ mediaType, digest, size });
    }
    return response;
  }
}

/** Platforms may share steps. */
function stepsOnce(steps: readonly BuiltStep[]): BuiltStep[] {
  return [...new Map(steps.map((step) => [step.key, step])).values()];
}

/** compat: the frontend's result for several platforms: a reference for each, here to the same outcome. */
function severalOf(id: string, outcome: Outcome) {
  const named = outcome.map(({ platform }) => ({ ID: formatPlatform(platform), Platform: { ...platform } }));
  const refs = outcome.map(
    ({ platform, imageId }) => [formatPlatform(platform), { id, definition: definitionOf(imageId) }] as const,
  );
  return {
    refs: { refs: Object.fromEntries(refs) },
    metadata: { "refs.platforms": Buffer.from(JSON.stringify({ Platforms: named })) },
  };
}

/** compat: the address under which a client offers what it reads from its standard input. */
const UPLOAD = /^https?:\/\/buildkit-session\/(.*)$/;

async function uploadOf(
  request: BuildRequest,
  session: { upload(path: string, signal: AbortSignal): AsyncIterable<Uint8Array> },
  signal: AbortSignal,
): Promise<Partial<BuildRequest>> {
  const path = UPLOAD.exec(request.remote ?? "")?.[1];
  if (path === undefined) return {};
  return { context: session.upload(`/${path}`, signal) };
}
