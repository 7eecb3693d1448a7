// `build` by BuildKit's services: a session on which the daemon asks for files, secrets and agents, and its control service,
// which builds and tells of its progress. The progress goes to stderr, so that stdout is the result's.

import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import type { Client } from "../../api/client.ts";
import { buildControl } from "../../api/operations/build.ts";
import {
  CONTROL_METHODS,
  solveRequest,
  solveResponse,
  statusRequest,
  statusResponse,
} from "../../lib/build-protocol/control.ts";
import { excerptOf, sourcesOf } from "../../lib/build-protocol/source.ts";
import { Fault } from "../../lib/errors.ts";
import { GrpcClient } from "../../lib/grpc/client.ts";
import { complain, exitWith } from "../failure.ts";
import { errnoText } from "../options/env.ts";
import { print, printError } from "../output.ts";
import { type BuildView, JsonView, PlainView, type Status } from "../progress/build-plain.ts";
import type { Session } from "../session.ts";
import { isTerminal } from "../terminal/tty.ts";
import { PreparedCaches } from "./cache.ts";
import { answerOf, callOf } from "./call.ts";
import type { DescribedChecks } from "./check.ts";
import { proxiesOf, writeImageId } from "./classic.ts";
import type { DebugShell } from "./debug.ts";
import type { BuildFlags } from "./flags.ts";
import { frontendAttrs } from "./frontend-attrs.ts";
import { finishLayouts, outputStores, type ParsedOutput, parseOutputs, serveOutputs } from "./outputs.ts";
import { parseSsh } from "./session/agents.ts";
import { type PreparedInputs, prepareInputs } from "./session/inputs.ts";
import { checkSecrets, parseSecret } from "./session/secrets.ts";
import { openSession } from "./session/session.ts";

type SolveInput = Partial<ReturnType<typeof solveRequest.decode>>;

/** Where a build tells of itself. */
export interface BuildReport {
  /** Takes the progress and what went wrong. */
  readonly write: (text: string) => void;
  /** Takes what was asked of the Dockerfile instead of a build. */
  readonly onAnswer: (answer: DescribedChecks) => void;
}

const TERMINAL: BuildReport = { write: printError, onAnswer: printAnswer };

async function openView(flags: BuildFlags, write: (text: string) => void): Promise<BuildView | undefined> {
  if (flags.quiet || flags.progress === "quiet") return undefined;
  const isTty = isTerminal(2);
  switch (flags.progress) {
    case "auto":
    case "tty":
      if (!isTty && flags.progress === "tty")
        throw complain("failed to get console: provided file is not a console");
      if (isTty) {
        const { LiveView } = await import("../progress/build-live.ts");
        const { columns, rows } = process.stderr;
        return new LiveView({ write: printError, columns: columns || 80, rows: rows || 24 });
      }
      return new PlainView(write);
    case "plain":
      return new PlainView(write);
    case "rawjson":
      return new JsonView(write);
    default:
      throw complain(`unsupported progress mode: ${flags.progress}`);
  }
}

function solveInputOf(
  flags: BuildFlags,
  inputs: PreparedInputs,
  outputs: readonly ParsedOutput[],
  caches: PreparedCaches,
  more: { ref: string; session: string; proxies: Readonly<Record<string, string>> },
): SolveInput {
  return {
    ref: more.ref,
    session: more.session,
    frontend: "dockerfile.v0",
    frontendAttrs: frontendAttrs(flags, inputs, more.proxies),
    exporters: outputs.map(({ type, attrs }) => ({ type, attrs: { ...attrs } })),
    entitlements: [...flags.allow],
    cache: { imports: caches.imports, exports: caches.exports },
  };
}

/** A view until the user has the terminal; tells when a failure has been shown. */
class ShownProgress {
  readonly #view: BuildView | undefined;
  readonly #failed = Promise.withResolvers<void>();
  #isOver = false;

  constructor(view: BuildView | undefined) {
    this.#view = view;
  }

  push(status: Status): void {
    if (!this.#isOver) this.#view?.push(status);
    if (status.vertexes?.some(({ error }) => error !== "")) this.#failed.resolve();
  }

  /** Nothing more will come. */
  close(): void {
    this.#failed.resolve();
  }

  end(): void {
    if (!this.#isOver) this.#view?.end();
    this.#isOver = true;
  }

  /** Ends the view when the failure is in it. */
  async endWithFailure(): Promise<void> {
    await this.#failed.promise;
    this.end();
  }
}

async function follow(client: GrpcClient, ref: string, progress: ShownProgress): Promise<void> {
  const call = client.start(CONTROL_METHODS.status);
  await call.messages.send(statusRequest.encode({ ref }));
  call.end();
  try {
    for await (const message of call.messages) progress.push(statusResponse.decode(message));
  } finally {
    progress.close();
  }
}

async function solve(
  client: Client,
  input: SolveInput,
  progress: ShownProgress,
): Promise<Readonly<Record<string, string>>> {
  const { socket } = await client.hijack(buildControl, {});
  const grpc = new GrpcClient(socket);
  try {
    const types = { request: solveRequest, response: solveResponse };
    const solved = grpc.unary(CONTROL_METHODS.solve, types, input);
    solved.catch(() => undefined); // ignored: awaited below, when the progress is told
    await follow(grpc, input.ref as string, progress).catch(() => undefined); // ignored: what went wrong is Solve's answer
    const { exporterResponse } = await solved;
    return exporterResponse;
  } finally {
    grpc.close();
  }
}

/** Tells what went wrong, with the lines of the Dockerfile that it is about. */
function explain(error: unknown, write: (text: string) => void): unknown {
  if (!(error instanceof Fault) || error.code !== "grpc.status") return error;
  for (const source of sourcesOf(error)) write(excerptOf(source));
  return exitWith(1, `ERROR: failed to solve: ${error.message}`);
}

async function openDebug(progress: ShownProgress): Promise<DebugShell> {
  const { debugShell } = await import("./debug.ts");
  return debugShell(() => progress.endWithFailure());
}

function writeMetadata(path: string, response: Readonly<Record<string, string>>): void {
  const known = Object.entries(response).sort(([a], [b]) => (a < b ? -1 : 1));
  try {
    writeFileSync(path, `${JSON.stringify(Object.fromEntries(known), undefined, 2)}`);
  } catch (error) {
    throw complain(`open ${path}: ${errnoText(error)}`);
  }
}

function printAnswer({ text, error, exitCode }: DescribedChecks): void {
  print(text);
  if (error !== undefined) throw exitWith(exitCode, `${text === "" ? "" : "\n"}${error}`);
  if (exitCode !== 0) throw exitWith(exitCode);
}

/** Builds and prints. Throws Faults; a build that failed is exit code 1. */
export async function buildWithSession(
  session: Session,
  path: string,
  flags: BuildFlags,
  given: Partial<BuildReport> = {},
): Promise<void> {
  const report = { ...TERMINAL, ...given };
  if (flags.squash) throw complain("--squash is not supported: a build's layers stay as they are");
  const call = callOf(flags);
  const outputs = parseOutputs(flags);
  const secrets = flags.secret.map(parseSecret);
  checkSecrets(secrets);
  const agents = parseSsh(flags.ssh);
  const caches = new PreparedCaches(flags);
  await using inputs = await prepareInputs(path, flags);
  if (flags.iidfile !== "") rmSync(flags.iidfile, { force: true });
  const [client, config] = await Promise.all([session.client(), session.config()]);
  const progress = new ShownProgress(await openView(flags, report.write));
  const shell = flags.debug ? await openDebug(progress) : undefined;
  const open = await openSession(client, {
    directories: inputs.directories,
    uploads: inputs.uploads,
    stores: new Map([...inputs.stores, ...caches.stores, ...outputStores(outputs)]),
    secrets,
    agents,
    config,
    debugShell: shell?.method,
    outputs: serveOutputs(outputs),
    sharedKey: inputs.sharedKey,
  });
  try {
    const input = solveInputOf(flags, inputs, outputs, caches, {
      ref: randomBytes(13).toString("hex"),
      session: open.id,
      proxies: proxiesOf(config, client.host, flags),
    });
    const response = await solve(client, input, progress);
    progress.end();
    if (call !== undefined) return report.onAnswer(answerOf(call, response));
    caches.finish(response);
    finishLayouts(outputs, response);
    const imageId = response["containerimage.config.digest"] ?? "";
    if (flags.quiet && imageId !== "") print(`${imageId}\n`);
    if (flags.iidfile !== "") writeImageId(flags.iidfile, imageId);
    if (flags["metadata-file"] !== "") writeMetadata(flags["metadata-file"], response);
  } catch (error) {
    progress.end();
    const told = explain(error, report.write);
    if (shell?.isOpened === false)
      report.write("There is no state to open a shell in: nothing was made before the failure.\n");
    throw told;
  } finally {
    open.close();
  }
}
