// Takes the files of a result into a directory of the user (`--output type=local`). What comes is an image's content and
// hostile: every path is checked to stay in the directory, nothing is written through a symlink, and devices, owners and
// special bits of the image mean nothing here.

import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
  constants,
  chmodSync,
  linkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { readGoMode } from "../../../lib/build-protocol/file-mode.ts";
import { PACKET, packet } from "../../../lib/build-protocol/session.ts";
import { Fault } from "../../../lib/errors.ts";
import type { ServerCall } from "../../../lib/grpc/server.ts";
import { cleanName } from "../../../lib/tar/names.ts";

type Stat = NonNullable<ReturnType<typeof packet.decode>["stat"]>;

class Receiver {
  private readonly root: string;
  private readonly call: ServerCall;
  private readonly open = new Map<number, { fd: number; path: string; stat: Stat }>();
  private count = 0;
  private isListed = false;

  constructor(root: string, call: ServerCall) {
    this.root = root;
    this.call = call;
  }

  async run(): Promise<void> {
    try {
      for await (const bytes of this.call.messages) {
        const { type, stat, id, data } = packet.decode(bytes);
        if (type === PACKET.error) throw new Fault("system", Buffer.from(data).toString());
        if (type === PACKET.stat) await this.describe(stat);
        else if (type === PACKET.data) this.data(id, data);
        else if (type === PACKET.end) return;
        if (this.isListed && this.open.size === 0) {
          this.isListed = false;
          await this.call.messages.send(packet.encode({ type: PACKET.end }));
        }
      }
    } finally {
      for (const { fd } of this.open.values()) closeSync(fd);
    }
  }

  /** Returns where a file goes. Throws when something other than a directory is on the way. */
  private place(name: string): string {
    const clean = cleanName(name);
    if (clean === undefined || clean === "")
      throw new Fault("invalidParameter", `"${name}" leads out of the output`);
    let at = this.root;
    for (const part of dirname(clean)
      .split("/")
      .filter((p) => p !== "." && p !== "")) {
      at = join(at, part);
      const stats = lstatSync(at, { throwIfNoEntry: false });
      if (stats === undefined) mkdirSync(at, { mode: 0o755 });
      else if (!stats.isDirectory()) throw new Fault("conflict", `${at} is in the way: it is no directory`);
    }
    return join(this.root, clean);
  }

  private async describe(stat: Stat | undefined): Promise<void> {
    if (stat === undefined) {
      this.isListed = true;
      return;
    }
    const id = this.count++;
    const { type, mode } = readGoMode(stat.mode ?? 0);
    const path = this.place(stat.path ?? "");
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (type === "directory") {
      if (there?.isDirectory() !== true) {
        rmSync(path, { force: true });
        mkdirSync(path, { mode: mode & 0o777 });
      }
      return;
    }
    if (there !== undefined) rmSync(path, { recursive: true });
    if (type === "symlink") symlinkSync(stat.linkName ?? "", path);
    else if (type === "file" && (stat.linkName ?? "") !== "") linkSync(this.place(stat.linkName ?? ""), path);
    else if (type === "file") await this.request(id, path, stat, mode);
  }

  private async request(id: number, path: string, stat: Stat, mode: number): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    this.open.set(id, { fd: openSync(path, flags, mode & 0o777), path, stat });
    await this.call.messages.send(packet.encode({ type: PACKET.request, id }));
  }

  private data(id: number, bytes: Uint8Array): void {
    const file = this.open.get(id);
    if (file === undefined) throw new Fault("invalidParameter", `a file came that nobody asked for (${id})`);
    if (bytes.length > 0) {
      for (let at = 0; at < bytes.length; ) at += writeSync(file.fd, bytes, at);
      return;
    }
    this.open.delete(id);
    closeSync(file.fd);
    chmodSync(file.path, readGoMode(file.stat.mode ?? 0).mode & 0o777);
    const seconds = (file.stat.modTime ?? 0) / 1e9;
    utimesSync(file.path, seconds, seconds);
  }
}

/** Receives a directory. Throws a Fault for what would leave it. */
export async function receiveDirectory(call: ServerCall, directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  await new Receiver(directory, call).run();
}
