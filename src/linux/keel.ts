// The client of `keel agent` (native/PROTOCOL.md): sends lists of operations, gets results or one SysError. It decides
// nothing and retries nothing. Invariant: one request at a time per connection; a connection on which something went
// wrong is never used again. Losing keel is Fault("unavailable"), a failed operation is SysError.
//
//   connection: connect → idle ⇄ busy → closed      (RUN; up to MAX_IDLE are kept)
//               connect → ROOT → session → closed   (file sessions; closing releases the mount)

import { type ChildProcess, spawn } from "node:child_process";
import { Fault, SysError } from "../lib/errors.ts";
import { connectFrames, type FrameSocket } from "./frame-socket.ts";
import { lostConnection, readReply } from "./keel-reply.ts";
import { fs, type IdMaps, type Op, type Path, type RootSource, type Value } from "./ops.ts";
import {
  asBytes,
  asList,
  asNumber,
  asText,
  encodeFrame,
  encodePieces,
  type Reply,
  sizeOfValue,
} from "./wire.ts";

export type { Reply } from "./wire.ts";

const VERB = { hello: 1, run: 2, root: 3, fs: 4, watch: 5 } as const;
const MAX_IDLE = 8;
/** File operations are split into frames of about this size, so that keel starts before everything is there. */
const FRAME_TARGET_BYTES = 1 << 20;
/** Content from this size on is sent from where it is: more than what a socket takes without asking for a pause (its high-water mark). */
const LARGE_BYTES = 64 << 10;

/**
 * The root of a file session: an overlay also needs a `target`, an existing empty directory to mount it on. `inside`: a directory
 * as root of the user namespace `userns` (a namespace file, or maps) sees it, with no other rights than his.
 */
export type FsRoot =
  | { kind: "inside"; path: string; userns: string | IdMaps }
  | Extract<RootSource, { kind: "dir" }>
  | (Extract<RootSource, { kind: "overlay" }> & { target: string });

export interface RunOutcome {
  /** One result per operation, 0 where it has none. */
  results: Reply[];
  /** What was tolerated: sentences for a log or for the user. */
  warnings: string[];
}

/** What `watch` looks for. */
export interface Watch {
  protocol: number;
  /** Multicast groups, and message types (nlmsg_type). */
  groups: readonly number[];
  types: readonly number[];
  /** Least time between two answers, so that a busy host costs little. */
  quietMs: number;
  /** Called when nothing is missed from here on. */
  onReady?(): void;
}

/** Kernel access: everything privileged goes through here. */
export interface Keel {
  /**
   * Runs host operations in order. Throws the first failure as SysError, after the operations registered with
   * `onFailure` ran. Aborting makes keel stop and undo before its next operation; what was the last one may have been done.
   */
  run(ops: readonly Op[], options?: { signal?: AbortSignal }): Promise<RunOutcome>;
  /**
   * Yields the kernel's notifications of a netlink protocol: whole messages of the wanted types as they were received,
   * several at once; empty bytes say that some were lost. Ends with the signal, or when keel is gone. Throws SysError.
   */
  watch(what: Watch, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Opens a file session below a root. Throws SysError when the root cannot be opened or mounted. */
  openFs(root: FsRoot): Promise<FsSession>;
  /** Ends the agent and waits for it. Shims live on. */
  close(): Promise<void>;
}

/** What export yields: a file's metadata; `content` must be read to its end, or not at all, before the next entry is asked for. */
export interface ExportEntry {
  /** Relative to the exported directory, without a leading slash; "." when a single file is exported. */
  path: string;
  /** The same as bytes, for names that are not UTF-8. */
  rawPath: Buffer;
  /** Type and permission bits, as in st_mode. */
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  mtimeSec: number;
  mtimeNsec: number;
  /** Device number of character and block devices. */
  major: number;
  minor: number;
  /** Identity of the inode, for hard links (nlink > 1). */
  dev: number | bigint;
  ino: number | bigint;
  nlink: number;
  linkTarget: Buffer;
  xattrs: { name: string; value: Buffer }[];
  /** The bytes of a regular file, `sizeBytes` in sum. What is not read is skipped. */
  content(): AsyncIterable<Uint8Array>;
}

/** File operations below one root. Nothing a path says leads outside of it. */
export interface FsSession extends AsyncDisposable {
  /** Sends operations without waiting for them. A promise is returned when the socket is full; await it before any content's memory is used again. */
  send(ops: readonly Op[]): Promise<void> | void;
  /** Runs operations and returns their results; throws the first failure since the last `sync` as SysError. */
  sync(ops?: readonly Op[], onProgress?: (bytes: number) => void): Promise<Reply[]>;
  /** Walks the tree below `path`, parents first, names in byte order. Throws SysError where it cannot go on. */
  export(path: Path): AsyncIterable<ExportEntry>;
}

async function request(
  connection: FrameSocket,
  frame: Buffer,
): Promise<{ warnings: string[]; rest: Reply[] }> {
  const full = connection.send(frame);
  if (full !== undefined) await full;
  return readReply(await connection.receive());
}

function cancelled(signal: AbortSignal): Fault {
  return new Fault("cancelled", "kernel operations were cancelled", {
    code: "keel.cancelled",
    cause: signal.reason,
  });
}

class AgentClient implements Keel {
  readonly #socketPath: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #idle: FrameSocket[] = [];
  #isClosed = false;

  constructor(socketPath: string, child: ChildProcess, exited: Promise<void>) {
    this.#socketPath = socketPath;
    this.#child = child;
    this.#exited = exited;
  }

  async #connection(): Promise<FrameSocket> {
    for (let c = this.#idle.pop(); c !== undefined; c = this.#idle.pop()) if (!c.isClosed) return c;
    if (this.#isClosed) throw lostConnection();
    return connectFrames(this.#socketPath);
  }

  #giveBack(connection: FrameSocket): void {
    if (connection.isClosed || this.#isClosed || this.#idle.length >= MAX_IDLE) connection.destroy();
    else this.#idle.push(connection);
  }

  async run(ops: readonly Op[], options: { signal?: AbortSignal } = {}): Promise<RunOutcome> {
    const signal = options.signal;
    const frame = encodeFrame([VERB.run, ops]);
    if (signal?.aborted) throw cancelled(signal);
    const connection = await this.#connection();
    if (signal?.aborted) {
      this.#giveBack(connection);
      throw cancelled(signal);
    }
    const onAbort = () => connection.destroy();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const { warnings, rest } = await request(connection, frame);
      return { results: asList(rest[0]), warnings };
    } catch (error) {
      if (signal?.aborted && !(error instanceof SysError)) throw cancelled(signal);
      if (!(error instanceof SysError)) connection.destroy();
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#giveBack(connection);
    }
  }

  async *watch(what: Watch, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const connection = await this.#connection();
    const onAbort = () => connection.destroy();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal.aborted) return;
      const { protocol, groups, types, quietMs } = what;
      await request(connection, encodeFrame([VERB.watch, protocol, groups, types, quietMs]));
      what.onReady?.();
      for (;;) {
        const frame = await connection.receive();
        if (frame === null) return;
        yield asBytes(frame[0]);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      connection.destroy();
    }
  }

  async openFs(root: FsRoot): Promise<FsSession> {
    const connection = await this.#connection();
    try {
      await request(connection, encodeFrame([VERB.root, ...encodeRoot(root)]));
      return new AgentFsSession(connection);
    } catch (error) {
      connection.destroy(); // a handler that failed half-way into a mount namespace is of no further use
      throw error;
    }
  }

  async hello(): Promise<void> {
    const connection = await this.#connection();
    await request(connection, encodeFrame([VERB.hello]));
    this.#giveBack(connection);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
    this.#child.stdin?.end();
    await this.#exited;
  }
}

function encodeRoot(root: FsRoot): Value[] {
  if (root.kind === "inside") {
    const { path, userns } = root;
    return typeof userns === "string" ? [2, path, userns, "", ""] : [2, path, "", userns.uids, userns.gids];
  }
  const covers = (root.idMapped ?? []).map(({ path, maps }) => [path, maps.uids, maps.gids]);
  if (root.kind === "dir") return [0, root.path, covers];
  const { layersDir, lower, upper, work, options, target } = root;
  return [1, layersDir, lower.join(":"), upper ?? "", work ?? "", options ?? "", target, covers];
}

const [DATA] = fs.data(new Uint8Array());
/** In the place of a reply's errno. */
const PROGRESS = -1;

/** Cuts content that is larger than a frame's aim: a socket may hand over any amount at once. */
function cutContent(ops: readonly Op[]): readonly Op[] {
  const isLarge = ([code, bytes]: Op): boolean =>
    code === DATA && (bytes as Uint8Array).length > FRAME_TARGET_BYTES;
  if (!ops.some(isLarge)) return ops;
  return ops.flatMap((op) => {
    if (!isLarge(op)) return [op];
    const bytes = op[1] as Uint8Array;
    const count = Math.ceil(bytes.length / FRAME_TARGET_BYTES);
    return Array.from({ length: count }, (_, i) =>
      fs.data(bytes.subarray(i * FRAME_TARGET_BYTES, (i + 1) * FRAME_TARGET_BYTES)),
    );
  });
}

/** Yields the operations in runs of about FRAME_TARGET_BYTES. */
function* inFrames(all: readonly Op[]): Generator<readonly Op[]> {
  const ops = cutContent(all);
  let from = 0;
  let size = 0;
  for (let i = 0; i < ops.length; i++) {
    const next = sizeOfValue(ops[i] as Op);
    if (i > from && size + next > FRAME_TARGET_BYTES) {
      yield ops.slice(from, i);
      from = i;
      size = 0;
    }
    size += next;
  }
  yield from === 0 ? ops : ops.slice(from);
}

class AgentFsSession implements FsSession {
  readonly #connection: FrameSocket;

  constructor(connection: FrameSocket) {
    this.#connection = connection;
  }

  send(ops: readonly Op[]): Promise<void> | undefined {
    let full: Promise<void> | undefined;
    for (const part of inFrames(ops)) {
      // Each send waits for the same drain, so the last promise stands for all of them.
      for (const piece of encodePieces([VERB.fs, 0, part], LARGE_BYTES)) {
        const more = this.#connection.send(piece);
        if (more === undefined) continue;
        full?.catch(() => undefined); // ignored: `more` fails for the same reason
        full = more;
      }
    }
    return full;
  }

  async sync(ops: readonly Op[] = [], onProgress?: (bytes: number) => void): Promise<Reply[]> {
    // The results of one frame come together, so only what cannot be one frame is split.
    const frame = encodeFrame([VERB.fs, 1, ops]);
    const full = this.#connection.send(frame);
    full?.catch(() => undefined); // ignored: the reply fails for the same reason
    return this.#connection.inTurn(async () => {
      for (;;) {
        const reply = await this.#connection.receive();
        if (reply === null || asNumber(reply[0]) !== PROGRESS) return asList(readReply(reply).rest[0]);
        onProgress?.(asNumber(reply[1]));
      }
    });
  }

  async *export(path: Path): AsyncGenerator<ExportEntry> {
    const connection = this.#connection;
    let release: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      release = resolve;
    });
    const mine = new Promise<void>((resolve) => {
      void connection.inTurn(() => {
        resolve();
        return done;
      });
    });
    connection.send(encodeFrame([VERB.fs, 1, [fs.export(path)]]))?.catch(() => undefined); // ignored: receiving fails too
    await mine;
    let isComplete = false;
    try {
      readReply(await connection.receive());
      for (;;) {
        const frame = await connection.receive();
        if (frame === null) throw lostConnection();
        if (frame.length <= 5) {
          isComplete = true;
          readExportEnd(frame);
          return;
        }
        const entry = readExportEntry(frame);
        const content = new Content(connection, isRegular(entry.mode) ? entry.sizeBytes : 0);
        yield { ...entry, content: () => content.read() };
        await content.skip();
      }
    } catch (error) {
      isComplete ||= error instanceof SysError;
      throw error;
    } finally {
      // A walk that nobody reads to its end cannot be stopped otherwise.
      if (!isComplete) connection.destroy();
      release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.finish();
  }
}

function readExportEnd(frame: Reply[]): void {
  const errno = asNumber(frame[0]);
  if (errno !== 0) throw new SysError(asText(frame[1]), asText(frame[2]), errno, asText(frame[3]));
}

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

function isRegular(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG;
}

function asInteger(value: Reply | undefined): number | bigint {
  return typeof value === "bigint" ? value : asNumber(value);
}

function readExportEntry(f: Reply[]): Omit<ExportEntry, "content"> {
  const rawPath = asBytes(f[0]);
  return {
    path: rawPath.toString("utf8"),
    rawPath,
    mode: asNumber(f[1]),
    uid: asNumber(f[2]),
    gid: asNumber(f[3]),
    sizeBytes: asNumber(f[4]),
    mtimeSec: asNumber(f[5]),
    mtimeNsec: asNumber(f[6]),
    major: asNumber(f[7]),
    minor: asNumber(f[8]),
    dev: asInteger(f[9]),
    ino: asInteger(f[10]),
    nlink: asNumber(f[11]),
    linkTarget: asBytes(f[12]),
    xattrs: asList(f[13]).map((pair) => {
      const [name, value] = asList(pair);
      return { name: asText(name), value: asBytes(value) };
    }),
  };
}

/** The raw bytes behind one entry's frame. */
class Content {
  readonly #connection: FrameSocket;
  #left: number;

  constructor(connection: FrameSocket, sizeBytes: number) {
    this.#connection = connection;
    this.#left = sizeBytes;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const chunk = await this.#connection.receiveRaw(this.#left);
      this.#left -= chunk.length;
      yield chunk;
    }
  }

  async skip(): Promise<void> {
    while (this.#left > 0) this.#left -= (await this.#connection.receiveRaw(this.#left)).length;
  }
}

/** How to start the agent. */
export interface KeelOptions {
  /** The keel program. */
  keelPath: string;
  /** Where the agent listens: in a directory of mode 0700. Any length. */
  socketPath: string;
  /** Called when the agent ends although nobody closed it. */
  onExit?(): void;
}

/**
 * Starts the agent and returns its client once it listens. The agent lives as long as this process: it reads the pipe
 * on its descriptor 0 to the end. Throws Fault("unavailable") when it does not start.
 */
export async function startKeel(options: KeelOptions): Promise<Keel> {
  const child = spawn(options.keelPath, ["agent", options.socketPath], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  child.stdin?.on("error", () => undefined); // ignored: `exited` tells about a dead agent
  // keel closes descriptor 1 after it has written a line: then it listens.
  const isReady = await new Promise<boolean>((resolve) => {
    child.stdout?.once("data", () => resolve(true));
    child.stdout?.once("error", () => resolve(false));
    void exited.then(() => resolve(false));
  });
  if (!isReady)
    throw new Fault("unavailable", `keel did not start: "${options.keelPath}"`, { code: "keel.not-started" });
  child.stdout?.destroy();
  let isClosing = false;
  const client = new AgentClient(options.socketPath, child, exited);
  void exited.then(() => {
    if (!isClosing) options.onExit?.();
  });
  await client.hello();
  return {
    run: (ops, runOptions) => client.run(ops, runOptions),
    watch: (what, signal) => client.watch(what, signal),
    openFs: (root) => client.openFs(root),
    close: () => {
      isClosing = true;
      return client.close();
    },
  };
}
