// The mounts of a build step as mounts of its container. What a step brings along lies in its own directory on the host
// (in memory where the exec root is): secrets as files, sockets that lead to the client, and mount points that the root
// lacks, which are put below all its layers, so that none of them ever counts as a change.
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname, join, relative } from "node:path";
import type { Duplex } from "node:stream";
import type { StepMount } from "../../build/solver/ports.ts";
import { Fault } from "../../lib/errors.ts";
import type { RootSource } from "../../linux/ops.ts";
import type { SpecBind, SpecImage, SpecTmpfs } from "../../runtime/spec/input.ts";

export interface StepMounts {
  readonly binds: SpecBind[];
  readonly images: SpecImage[];
  readonly tmpfs: SpecTmpfs[];
  /** Directory with the mount points that the root lacks; undefined when it has them all. */
  readonly skeleton: string | undefined;
}

type Of<K extends StepMount["kind"]> = Extract<StepMount, { kind: K }>;

class Maker {
  readonly #dir: string;
  readonly #stack: AsyncDisposableStack;
  readonly made = { binds: [] as SpecBind[], images: [] as SpecImage[], tmpfs: [] as SpecTmpfs[] };

  constructor(dir: string, stack: AsyncDisposableStack) {
    this.#dir = dir;
    this.#stack = stack;
  }

  async add(mount: StepMount, index: number): Promise<void> {
    const destination = mount.target;
    switch (mount.kind) {
      case "directory":
        this.made.binds.push({
          source: mount.path,
          destination,
          readonly: mount.isReadonly,
          ...(mount.subpath === "" ? {} : { subpath: mount.subpath }),
        });
        break;
      case "root":
        this.made.images.push(overlayMount(mount));
        break;
      case "tmpfs":
        // compat: what BuildKit mounts may hold programs.
        this.made.tmpfs.push({
          destination,
          options: `exec${mount.sizeBytes > 0 ? `,size=${mount.sizeBytes}` : ""}`,
        });
        break;
      case "file":
        this.made.binds.push({ source: await this.#file(mount, index), destination, readonly: true });
        break;
      case "socket":
        this.made.binds.push({ source: await this.#socket(mount, index), destination });
    }
  }

  async #file(mount: Of<"file">, index: number): Promise<string> {
    const path = join(this.#dir, `secret-${index}`);
    await writeFile(path, mount.content, { mode: 0o600 });
    await chown(path, mount.uid, mount.gid);
    await chmod(path, mount.mode);
    return path;
  }

  async #socket(mount: Of<"socket">, index: number): Promise<string> {
    const path = join(this.#dir, `agent-${index}.sock`);
    const open = new Set<Socket>();
    const server = createServer((socket) => {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
      void forward(socket, mount.connect);
    });
    await listen(server, path);
    this.#stack.defer(() => {
      for (const socket of open) socket.destroy();
      server.close();
    });
    await chown(path, mount.uid, mount.gid);
    await chmod(path, mount.mode);
    return path;
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
}

async function forward(socket: Socket, connect: () => Promise<Duplex>): Promise<void> {
  socket.on("error", () => socket.destroy());
  let peer: Duplex;
  try {
    peer = await connect();
  } catch {
    socket.destroy(); // ignored: the program in the step sees its connection end
    return;
  }
  peer.on("error", () => socket.destroy());
  peer.on("close", () => socket.destroy());
  socket.on("close", () => peer.destroy());
  socket.pipe(peer);
  peer.pipe(socket);
}

/** A finished root is an overlay without a place to write, a draft one with. */
function overlayMount(mount: Of<"root">): SpecImage {
  const { root, target, subpath } = mount;
  const part = subpath === "" ? {} : { subpath };
  if (root.kind === "dir") throw new Fault("system", "a step's mount has no layers");
  const layers = root.lower.map((name) => join(root.layersDir, name));
  const writable =
    root.upper === undefined ? [] : ["rw", `upperdir=${root.upper}`, `workdir=${root.work ?? ""}`];
  const options = [...writable, ...(root.options === undefined ? [] : [root.options])].join(",");
  // An overlay wants two layers at least.
  const names = layers.length < 2 ? [...layers, join(root.layersDir, ".empty")] : layers;
  return { destination: target, layers: names, options, ...part };
}

/** Makes the mount points that the root lacks. */
async function makeSkeleton(dir: string, mounts: readonly StepMount[]): Promise<string | undefined> {
  const missing = mounts.filter((m) => m.isMissing);
  if (missing.length === 0) return undefined;
  const skeleton = join(dir, "skeleton");
  await mkdir(skeleton, { mode: 0o755 });
  for (const mount of missing) {
    const at = join(skeleton, mount.target);
    const { isFile } = mount;
    await mkdir(isFile ? dirname(at) : at, { recursive: true, mode: 0o755 });
    if (isFile) await writeFile(at, "", { flag: "a", mode: 0o644 });
  }
  return skeleton;
}

/** Makes everything that the mounts need in `dir`, a private directory of the step; sockets close with the stack. */
export async function makeStepMounts(
  mounts: readonly StepMount[],
  dir: string,
  stack: AsyncDisposableStack,
): Promise<StepMounts> {
  const maker = new Maker(dir, stack);
  for (const [index, mount] of mounts.entries()) await maker.add(mount, index);
  return { ...maker.made, skeleton: await makeSkeleton(dir, mounts) };
}

/** Returns the root with a skeleton below its layers. */
export function rootAbove(root: RootSource, skeleton: string | undefined): RootSource {
  if (root.kind === "dir" || skeleton === undefined) return root;
  return { ...root, lower: [...root.lower, relative(root.layersDir, skeleton)] };
}
