// `make bench`: how long `load` and `pull` take on Berth and on Docker Engine, interleaved in the same run: an image of 300 MB in five
// layers, and one whose only layer has 10 000 files. Pulls are from Debian's docker-registry, one beside each engine, over the same files.
// Nothing of an image is there before a measurement. Each engine has a new ext4 with a journal, as Debian makes it: an ext4 without one
// (cloud machines have it) does not use the inodes of removed files for minutes, and looks at each of them anew for every file it
// makes (recently_deleted in the kernel's fs/ext4/ialloc.c): what anybody removed lately would decide the result.
// IMAGE_ROUNDS=n sets the number of measurements of each line (default 3).
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Engine, startBerth, startDocker } from "./engines.ts";
import { measure, row } from "./table.ts";

const ROUNDS = Number(process.env["IMAGE_ROUNDS"] ?? 3);
const BIG_LAYERS = 5;
const BIG_LAYER_BYTES = 60 << 20;
const FILES = 10_000;
const DISK_BYTES = 32 * 2 ** 30;
const REGISTRY = "localhost:5000";

function run(argv: readonly string[], cwd?: string): Buffer {
  const [file = "", ...args] = argv;
  const { status, stdout, stderr } = spawnSync(file, args, { cwd, maxBuffer: 1 << 30 });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
  return stdout;
}

/** Writes a file that is about as compressible as programs are: half of it is random. */
function fill(path: string, sizeBytes: number): void {
  const fd = openSync(path, "w");
  const block = Buffer.alloc(1 << 20, "the quick brown fox jumps over the lazy dog ");
  for (let at = 0; at < sizeBytes; at += block.length) {
    randomBytes(block.length / 2).copy(block);
    writeSync(fd, block);
  }
  closeSync(fd);
}

/** Makes an archive of `docker save`, one layer for each directory of files that `layers` fills. */
function makeArchive(dir: string, name: string, layers: readonly ((dir: string) => void)[]): string {
  const image = join(dir, name);
  const digests = layers.map((make, i) => {
    const content = join(dir, `${name}-${i}`);
    mkdirSync(content);
    make(content);
    mkdirSync(join(image, String(i)), { recursive: true });
    const tar = join(image, String(i), "layer.tar");
    run(["tar", "-C", content, "--numeric-owner", "-cf", tar, "."]);
    rmSync(content, { recursive: true });
    return `sha256:${run(["sha256sum", tar]).toString().slice(0, 64)}`;
  });
  const config = JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Cmd: ["true"] },
    rootfs: { type: "layers", diff_ids: digests },
  });
  const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
  writeFileSync(join(image, configName), config);
  const manifest = {
    Config: configName,
    RepoTags: [`${name}:latest`],
    Layers: layers.map((_, i) => `${i}/layer.tar`),
  };
  writeFileSync(join(image, "manifest.json"), JSON.stringify([manifest]));
  const archive = join(dir, `${name}.tar`);
  run(["tar", "-C", image, "-cf", archive, "."]);
  rmSync(image, { recursive: true });
  return archive;
}

function manyFiles(dir: string): void {
  writeFileSync(join(dir, "nonce"), randomBytes(16));
  for (let d = 0; d < FILES / 100; d++) {
    mkdirSync(join(dir, `d${d}`));
    for (let f = 0; f < 100; f++) writeFileSync(join(dir, `d${d}`, `f${f}`), `${d} ${f}\n`.repeat(100));
  }
}

/** Starts a registry in the engine's network namespace. */
async function startRegistry(dir: string, engine: Engine): Promise<ChildProcess> {
  const config = join(dir, "registry.yml");
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${dir}/registry}}\nhttp: {addr: "127.0.0.1:5000"}\n`,
  );
  const inside = ["--net", "-t", String(engine.daemonPid)];
  const child = spawn("nsenter", [...inside, "docker-registry", "serve", config], { stdio: "ignore" });
  const isUp = (): boolean =>
    spawnSync("nsenter", [...inside, "curl", "-sf", `http://${REGISTRY}/v2/`]).status === 0;
  for (let i = 0; !isUp(); i++) {
    if (i > 100) throw new Error("the registry did not start");
    await new Promise((resolve) => setTimeout(resolve, 100)); // it tells nobody when it is ready
  }
  return child;
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "bench-images-"));
  const registries: ChildProcess[] = [];
  try {
    await using berth = await startBerth({ diskBytes: DISK_BYTES });
    await using docker = await startDocker({ diskBytes: DISK_BYTES });
    const engines = [berth, docker];
    for (const engine of engines) registries.push(await startRegistry(dir, engine));
    const big = (): ((d: string) => void)[] =>
      Array.from({ length: BIG_LAYERS }, () => (d: string) => fill(join(d, "data"), BIG_LAYER_BYTES));
    // Each round of the many files has its own image, and all stay: making 10 000 files must not wait for removing as many.
    const rounds = Array.from({ length: ROUNDS + 1 }, (_, i) => i);
    const images = [
      { what: "300 MB in 5 layers", archives: [makeArchive(dir, "big", big())] },
      { what: "10 000 files", archives: rounds.map((i) => makeArchive(dir, `files-${i}`, [manyFiles])) },
    ];
    const results = [];
    for (const { what, archives } of images) {
      const names = archives.map((archive) => basename(archive, ".tar"));
      const of = <T>(list: readonly T[], round: number): T => list[(round + 1) % list.length] as T;
      const clear = (prefix: string) => (e: Engine) => {
        if (names.length === 1) e.cli(["rmi", "-f", prefix + names[0]], { mayFail: true });
      };
      const load = (e: Engine, round: number): unknown => e.cli(["load", "-q", "-i", of(archives, round)]);
      results.push(await measure(engines, `\`load\`, ${what}`, ROUNDS, load, clear("")));
      for (const name of names) {
        docker.cli(["tag", name, `${REGISTRY}/${name}`]);
        docker.cli(["push", "-q", `${REGISTRY}/${name}`]);
      }
      for (const e of engines)
        for (const name of names) e.cli(["rmi", "-f", name, `${REGISTRY}/${name}`], { mayFail: true });
      // Berth removes in the background.
      await new Promise((resolve) => setTimeout(resolve, 6000));
      const pull = (e: Engine, round: number): unknown =>
        e.cli(["pull", "-q", `${REGISTRY}/${of(names, round)}`]);
      results.push(await measure(engines, `\`pull\`, ${what}`, ROUNDS, pull, clear(`${REGISTRY}/`)));
    }
    console.log(`| milliseconds, median (10 %–90 %) of ${ROUNDS} | ${berth.name} | ${docker.name} | ratio |`);
    console.log("|---|---|---|---|");
    for (const m of results) console.log(row(m));
  } finally {
    for (const child of registries) child.kill("SIGTERM");
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
