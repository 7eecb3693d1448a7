// Image archives as `docker save` writes them, with layers that the caller fills.
import { createHash, randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { must } from "./room.ts";

/** Fills the directory of one layer. */
export type Fill = (dir: string) => void;

/** A file that is about as compressible as programs are: half of it is random. */
export const bigFile =
  (sizeBytes: number): Fill =>
  (dir) => {
    const fd = openSync(join(dir, "data"), "w");
    const block = Buffer.alloc(1 << 20, "the quick brown fox jumps over the lazy dog ");
    for (let at = 0; at < sizeBytes; at += block.length) {
      randomBytes(block.length / 2).copy(block);
      writeSync(fd, block);
    }
    closeSync(fd);
  };

/** Small files, a hundred in each directory, and one that makes the layer unlike all others. */
export const manyFiles =
  (count: number): Fill =>
  (dir) => {
    writeFileSync(join(dir, "nonce"), randomBytes(16));
    for (let d = 0; d < count / 100; d++) {
      mkdirSync(join(dir, `d${d}`));
      for (let f = 0; f < 100; f++) writeFileSync(join(dir, `d${d}`, `f${f}`), `${d} ${f}\n`.repeat(100));
    }
  };

/** Makes the archive of an image in `dir`, one layer for each of `layers`; returns its path. */
export function makeArchive(dir: string, name: string, layers: readonly Fill[]): string {
  const image = join(dir, name);
  const digests = layers.map((fill, i) => {
    const content = join(dir, `${name}-${i}`);
    mkdirSync(content, { recursive: true });
    fill(content);
    mkdirSync(join(image, String(i)), { recursive: true });
    const tar = join(image, String(i), "layer.tar");
    must(["tar", "-C", content, "--numeric-owner", "-cf", tar, "."]);
    rmSync(content, { recursive: true });
    return `sha256:${must(["sha256sum", tar]).slice(0, 64)}`;
  });
  const config = JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Cmd: ["true"] },
    rootfs: { type: "layers", diff_ids: digests },
  });
  const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
  writeFileSync(join(image, configName), config);
  const tags = { RepoTags: [`${name}:latest`], Layers: layers.map((_, i) => `${i}/layer.tar`) };
  writeFileSync(join(image, "manifest.json"), JSON.stringify([{ Config: configName, ...tags }]));
  const archive = join(dir, `${name}.tar`);
  must(["tar", "-C", image, "-cf", archive, "."]);
  rmSync(image, { recursive: true });
  return archive;
}
