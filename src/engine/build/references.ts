// Contexts on servers that a client looks into before it builds them: buildx looks for a policy beside the Dockerfile. They live as
// long as the build that asks.
import { goMode } from "../../lib/build-protocol/file-mode.ts";
import type { stat as statType } from "../../lib/build-protocol/session.ts";
import { Fault } from "../../lib/errors.ts";
import { newId } from "../../lib/id.ts";
import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import type { ContextTree } from "../../build/context/context-tree.ts";
import type { BuildRunner, LookedInto } from "./runner.ts";

/** compat: a policy or a Dockerfile; what is larger is read in ranges. */
const MAX_FILE_BYTES = 4 << 20;
const NANOS_PER_SECOND = 1e9;

function noSuchFile(path: string): Fault {
  return new Fault("notFound", `${path}: no such file or directory`, { code: "build.no-such-file" });
}

export class References implements AsyncDisposable {
  readonly #runner: Pick<BuildRunner, "openRemote">;
  readonly #opened = new Map<string, LookedInto>();

  constructor(runner: Pick<BuildRunner, "openRemote">) {
    this.#runner = runner;
  }

  /** Fetches a context and returns the reference by which it can be asked about. */
  async open(address: string, signal: AbortSignal): Promise<string> {
    const id = newId();
    this.#opened.set(id, await this.#runner.openRemote(address, signal));
    return id;
  }

  #tree(id: string, path: string): ContextTree {
    const tree = this.#opened.get(id)?.tree;
    if (tree === undefined) throw noSuchFile(path);
    return tree;
  }

  /** Describes a file. Throws Fault notFound. */
  async stat(id: string, path: string): Promise<Partial<ReturnType<typeof statType.decode>>> {
    const node = await this.#tree(id, path).lstat(cleanPath(`/${path}`));
    if (node === undefined) throw noSuchFile(path);
    const { type, mode, uid, gid, sizeBytes: size, mtimeSec, linkTarget: linkName } = node;
    return {
      path,
      mode: goMode(type === "other" ? "file" : type, mode),
      uid,
      gid,
      size,
      modTime: mtimeSec * NANOS_PER_SECOND,
      linkName,
    };
  }

  /** Returns a file's content, or `length` bytes of it from `offset` on. Throws Fault notFound. */
  async read(id: string, path: string, range?: { offset?: number; length?: number }): Promise<Uint8Array> {
    const bytes = await this.#tree(id, path).readFile(cleanPath(`/${path}`), MAX_FILE_BYTES);
    if (bytes === undefined) throw noSuchFile(path);
    const { offset = 0, length = bytes.length } = range ?? {};
    return bytes.subarray(offset, offset + length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = [...this.#opened.values()];
    this.#opened.clear();
    for (const { kept } of opened) await kept[Symbol.asyncDispose]();
  }
}
