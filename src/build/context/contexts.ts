// The files that a build is given: its own context (an uploaded archive, a directory of the client, a repository, an archive
// on a server) and the named ones of `--build-context`. Each is fetched when something is first taken from it. Opening
// finds the Dockerfile and takes Dockerfile and .dockerignore out of an uploaded context when .dockerignore says so
// (clients have to send both regardless).

import { basename } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { compileIgnorePatterns, parseIgnoreFile } from "../../lib/patternmatch/ignore-patterns.ts";
import { MAX_DOCKERFILE_BYTES } from "../dockerfile/lex.ts";
import { EMPTY_TREE, type SourceTree } from "../files/source-tree.ts";
import type { BuildRequest } from "../request.ts";
import type { BuildClient, JudgedSource } from "../solver/ports.ts";
import { BlobStore } from "./blobs.ts";
import type { ContextTree } from "./context-tree.ts";
import { fetchGit } from "./git.ts";
import { gitIdentity, isGitContext, parseGitRef } from "../../lib/git/git-ref.ts";
import { receiveDirectory } from "./receive.ts";
import { fetchContext, RemoteDockerfile } from "./remote.ts";
import { unpackContext } from "./unpack.ts";
import { type OnEvent, transferMeter, working } from "../work.ts";

const MAX_IGNORE_BYTES = 4 << 20;
const DEFAULT_NAME = "Dockerfile";

/** Where files come from, by name; "" is the build's own context. */
export interface Contexts {
  /** Takes downloads. */
  readonly blobs: BlobStore;
  /** Private directory for what is fetched. */
  readonly directory: string;
  open(name: string): Promise<SourceTree>;
  /** Throws where a source may not be used. */
  judge(source: JudgedSource): Promise<void>;
}

/** A repository or a file on a server, as policies speak of it. */
export function judgedRemote(address: string): JudgedSource {
  if (!isGitContext(address)) return { identifier: address };
  const ref = parseGitRef(address);
  return { identifier: `git://${gitIdentity(ref)}`, attrs: { "git.fullurl": ref.remote } };
}

/** The contexts of a build whose Dockerfile has been found. */
export interface OpenedContexts extends Contexts {
  readonly dockerfile: string;
  /** How the Dockerfile is called in messages. */
  readonly dockerfileName: string;
  /** Patterns of .dockerignore. */
  readonly ignored: readonly string[];
  /** Says what alone will be taken from the build's own context; before it is opened. */
  narrow(paths: readonly string[]): void;
  close(): Promise<void>;
}

interface Found {
  readonly name: string;
  readonly text: string;
  readonly ignored: readonly string[];
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

function notFound(name: string): Fault {
  // compat: the CLI and docker-py show this text as it is.
  return new Fault("invalidParameter", `Cannot locate specified Dockerfile: ${name}`, {
    code: "build.no-dockerfile",
  });
}

/** Names under which a Dockerfile is looked for. */
function candidates(wanted: string): string[] {
  return wanted === DEFAULT_NAME ? [wanted, wanted.toLowerCase()] : [wanted];
}

async function findDockerfile(tree: ContextTree, wanted: string): Promise<{ name: string; text: string }> {
  for (const name of candidates(wanted)) {
    const bytes = await tree.readFile(cleanPath(`/${name}`), MAX_DOCKERFILE_BYTES);
    if (bytes !== undefined) return { name, text: textOf(bytes) };
  }
  throw notFound(wanted);
}

async function readIgnoreFile(tree: ContextTree, path: string): Promise<string[] | undefined> {
  const bytes = await tree.readFile(cleanPath(`/${path}`), MAX_IGNORE_BYTES);
  return bytes === undefined ? undefined : parseIgnoreFile(textOf(bytes));
}

/** How a transfer is shown: the work that it is, and what is transferred. */
interface Shown {
  readonly what: string;
  readonly as: string;
}

class BuildContexts implements OpenedContexts {
  readonly blobs: BlobStore;
  readonly directory: string;
  dockerfile = "";
  dockerfileName = "";
  ignored: readonly string[] = [];
  private readonly request: BuildRequest;
  private readonly signal: AbortSignal;
  private readonly opened = new Map<string, Promise<SourceTree>>();
  private readonly onEvent: OnEvent;
  private only: readonly string[] | undefined;
  private count = 0;

  constructor(request: BuildRequest, directory: string, signal: AbortSignal, onEvent: OnEvent) {
    this.request = request;
    this.onEvent = onEvent;
    this.directory = directory;
    this.signal = signal;
    this.blobs = new BlobStore(directory);
  }

  /** Finds the Dockerfile, and with an upload the context. */
  async start(): Promise<void> {
    const found = await this.find();
    this.dockerfile = found.text;
    this.dockerfileName = found.name;
    this.ignored = found.ignored;
  }

  private get wanted(): string {
    return this.request.dockerfile || DEFAULT_NAME;
  }

  async judge(source: JudgedSource): Promise<void> {
    await this.request.judge?.(source, this.signal);
  }

  private find(): Promise<Found> {
    const { request } = this;
    if (request.context !== undefined)
      return this.findIn(unpackContext(request.context, this.blobs, this.signal));
    if (request.remote !== undefined) return this.findRemote(request.remote);
    if (request.localContext !== undefined) return this.findLocal(request.localContext);
    if (request.dockerfileText === undefined)
      throw new Fault("invalidParameter", "no build context was given", { code: "build.no-context" });
    return Promise.resolve({ name: this.wanted, text: request.dockerfileText, ignored: [] });
  }

  /** The Dockerfile of a context that is here as a whole. */
  private async findIn(context: Promise<ContextTree>): Promise<Found> {
    const tree = await context;
    this.opened.set("", Promise.resolve(tree));
    const text = this.request.dockerfileText;
    const found = text === undefined ? await findDockerfile(tree, this.wanted) : { name: this.wanted, text };
    const ignored = (await readIgnoreFile(tree, ".dockerignore")) ?? [];
    const patterns = compileIgnorePatterns(ignored);
    for (const name of [".dockerignore", cleanPath(found.name)])
      if (patterns.match(name).isMatch) tree.remove(name);
    return { ...found, ignored };
  }

  private async findRemote(remote: string): Promise<Found> {
    if (isGitContext(remote)) return this.findIn(this.git(remote, false));
    await this.judge(judgedRemote(remote));
    const fetched = await working(this.onEvent, "[internal] load remote build context", () =>
      fetchContext(remote, this.blobs, this.signal),
    );
    if (fetched instanceof RemoteDockerfile)
      return { name: "remote Dockerfile", text: this.request.dockerfileText ?? fetched.text, ignored: [] };
    return this.findIn(Promise.resolve(fetched));
  }

  /** The client's directories: first the Dockerfile alone, the rest when it is wanted. */
  private async findLocal(local: { context: string; dockerfile: string }): Promise<Found> {
    const names = candidates(this.wanted);
    const only = [...names, `${this.wanted}.dockerignore`];
    const shown = {
      what: `[internal] load build definition from ${basename(this.wanted)}`,
      as: "dockerfile",
    };
    const tree = await this.receive(local.dockerfile, shown, { only });
    const text = this.request.dockerfileText;
    const found = text === undefined ? await findDockerfile(tree, this.wanted) : { name: this.wanted, text };
    const own = await readIgnoreFile(tree, `${this.wanted}.dockerignore`);
    const context = { what: "[internal] load .dockerignore", as: "context" };
    return { ...found, ignored: own ?? (await this.localIgnoreFile(local.context, context)) };
  }

  private async localIgnoreFile(context: string, shown: Shown): Promise<string[]> {
    const tree = await this.receive(context, shown, { only: [".dockerignore"] });
    return (await readIgnoreFile(tree, ".dockerignore")) ?? [];
  }

  private client(): BuildClient {
    const { client } = this.request;
    if (client !== undefined) return client;
    throw new Fault(
      "invalidParameter",
      "the client of this build cannot send directories: it has no session",
      {
        code: "build.no-session",
      },
    );
  }

  private async receive(
    name: string,
    { what, as }: Shown,
    options: { only?: readonly string[]; excludes?: readonly string[] },
  ): Promise<ContextTree> {
    await this.judge({ identifier: `local://${name}` });
    const { signal } = this;
    const meter = transferMeter(this.onEvent, what, `transferring ${as}:`);
    return await working(this.onEvent, what, async () => {
      const receiving = { ...options, signal, onBytes: meter.add };
      const tree = await receiveDirectory(this.client(), name, this.blobs, receiving);
      meter.end();
      return tree;
    });
  }

  private async git(source: string, keepsGitDir: boolean): Promise<ContextTree> {
    await this.judge(judgedRemote(source));
    const ref = parseGitRef(source);
    const options = {
      directory: `${this.directory}/git-${this.count++}`,
      keepsGitDir: ref.keepsGitDir ?? keepsGitDir,
      blobs: this.blobs,
      signal: this.signal,
    };
    return await working(this.onEvent, `[internal] load git source ${source}`, () => fetchGit(ref, options));
  }

  narrow(paths: readonly string[]): void {
    this.only = paths;
  }

  open(name: string): Promise<SourceTree> {
    let tree = this.opened.get(name);
    if (tree === undefined) {
      tree = this.fetch(name);
      tree.catch(() => undefined); // ignored: whoever opens it awaits it
      this.opened.set(name, tree);
    }
    return tree;
  }

  private async fetch(name: string): Promise<SourceTree> {
    const { localContext, contexts } = this.request;
    if (name === "") {
      if (localContext === undefined) return EMPTY_TREE;
      const only = this.only === undefined ? {} : { only: this.only };
      const shown = { what: "[internal] load build context", as: "context" };
      return this.receive(localContext.context, shown, { excludes: this.ignored, ...only });
    }
    const value = contexts?.[name] ?? "";
    if (isGitContext(value)) return this.git(value, false);
    if (/^https?:/.test(value)) {
      await this.judge({ identifier: value });
      const fetched = await fetchContext(value, this.blobs, this.signal);
      if (!(fetched instanceof RemoteDockerfile)) return fetched;
      throw new Fault("invalidParameter", `the context "${name}" (${value}) is no archive`, {
        code: "build.context",
      });
    }
    const local = /^local:(.*)$/.exec(value)?.[1];
    if (local === undefined)
      throw new Fault("notImplemented", `build context "${name}": ${value} is not supported`, {
        code: "build.unsupported",
      });
    const shown = (what: string): Shown => ({ what: `[context ${name}] ${what}`, as: name });
    const excludes = await this.localIgnoreFile(local, shown("load .dockerignore"));
    return this.receive(local, shown("load from client"), { excludes });
  }

  close(): Promise<void> {
    return this.blobs.close();
  }
}

/** Fetches a context from a server into a private directory, without building it. A Dockerfile alone is undefined. */
export async function openRemote(
  address: string,
  { blobs, directory, signal }: { blobs: BlobStore; directory: string; signal: AbortSignal },
): Promise<ContextTree | undefined> {
  if (!isGitContext(address)) {
    const fetched = await fetchContext(address, blobs, signal);
    return fetched instanceof RemoteDockerfile ? undefined : fetched;
  }
  const ref = parseGitRef(address);
  const options = { directory: `${directory}/git`, keepsGitDir: ref.keepsGitDir ?? false, blobs, signal };
  return await fetchGit(ref, options);
}

/** Fetches a repository for ADD. */
export async function openRepository(
  contexts: Contexts,
  source: string,
  options: { name: string; keepsGitDir: boolean; checksum: string; signal: AbortSignal },
): Promise<ContextTree> {
  await contexts.judge(judgedRemote(source));
  const ref = parseGitRef(source);
  return fetchGit(options.checksum === "" ? ref : { ...ref, checksum: options.checksum }, {
    directory: `${contexts.directory}/${options.name}`,
    keepsGitDir: ref.keepsGitDir ?? options.keepsGitDir,
    blobs: contexts.blobs,
    signal: options.signal,
  });
}

/** Opens the contexts of a build in a private directory, and finds its Dockerfile. */
export async function openContexts(
  request: BuildRequest,
  directory: string,
  { signal, onEvent = () => undefined }: { signal: AbortSignal; onEvent?: OnEvent },
): Promise<OpenedContexts> {
  await using stack = new AsyncDisposableStack();
  // compat: the classic builder tells of its steps alone, and fails with a status before the first of them.
  const tell = request.dialect === "buildkit" ? onEvent : () => undefined;
  const contexts = new BuildContexts(request, directory, signal, tell);
  stack.defer(() => contexts.close());
  await contexts.start();
  stack.move();
  return contexts;
}
