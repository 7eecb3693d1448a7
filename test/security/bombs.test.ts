// A few bytes that stand for many: layers and archives, compressed or with holes, that become far more than anybody asked for. What is within
// the daemon's limit, or has none, is unpacked whole.
import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { TAR_END, tarEntry, tarHeader } from "../../src/lib/tar/writer.ts";
import { startBrokenRegistry } from "../e2e/broken-registry.ts";
import { run } from "../e2e/command.ts";
import { clients, procStatus } from "../e2e/harness.ts";
import { digestOf } from "../e2e/registry.ts";
import { attacks } from "./attack.ts";
import type { Bed } from "./bed.ts";
import { imageArchive } from "./tar.ts";

const MEBIBYTE = 1 << 20;
const LIMIT = "64m";
const WITHIN = 40 * MEBIBYTE;
const BEYOND = 200 * MEBIBYTE;
/** What nobody has a limit for, and what the daemon may take of the memory for it. */
const MUCH = 400 * MEBIBYTE;
const MOST_MEMORY = 200 * MEBIBYTE;
/** Records and events of what was tried. */
const MOST_LEFT = 4 * MEBIBYTE;

const berth = clients[0] as (typeof clients)[number];

const piped = async (argv: string[], input: Uint8Array): Promise<Buffer> => {
  const { bytes, status, stderr } = await run(argv, { input, timeoutMs: 120_000 });
  assert.equal(status, 0, stderr);
  return bytes;
};

const FORMATS: Readonly<Record<string, (content: Uint8Array) => Uint8Array | Promise<Uint8Array>>> = {
  gzip: (content) => gzipSync(content, { level: 1 }),
  zstd: (content) => zstdCompressSync(content),
  xz: (content) => piped(["xz", "-0", "-c"], content),
  bzip2: (content) => piped(["bzip2", "-1", "-c"], content),
};

/** An archive with one file of zeros. */
function zeros(sizeBytes: number): Buffer {
  const header = tarHeader(tarEntry({ type: "file", name: "zeros", sizeBytes }));
  return Buffer.concat([header, Buffer.alloc(sizeBytes), TAR_END]);
}

interface Packed {
  readonly format: string;
  readonly bytes: Uint8Array;
  /** Of the archive uncompressed. */
  readonly digest: string;
}

async function packed(sizeBytes: number): Promise<Packed[]> {
  const tar = zeros(sizeBytes);
  const digest = digestOf(tar);
  const all: Packed[] = [];
  for (const [format, pack] of Object.entries(FORMATS)) all.push({ format, bytes: await pack(tar), digest });
  return all;
}

/** An archive whose one file is a hole. */
async function hole(sizeBytes: number): Promise<Packed> {
  const script = `d=$(mktemp -d) && truncate -s ${sizeBytes} "$d/hole" && tar -C "$d" -S -c hole; rm -r "$d"`;
  const { bytes } = await run(["sh", "-ec", script]);
  assert.ok(bytes.length < MEBIBYTE);
  return { format: "hole", bytes, digest: digestOf(bytes) };
}

async function diskOf(bed: Bed): Promise<number> {
  return Number.parseInt((await run(["du", "-sB1", bed.daemon.dataRoot])).stdout, 10);
}

/** What is thrown away is removed in the background: what stays ten seconds stays. */
async function leftOf(bed: Bed, before: number): Promise<string[]> {
  for (let attempt = 0; ; attempt++) {
    const more = (await diskOf(bed)) - before;
    if (more < MOST_LEFT) return [];
    if (attempt === 100) return [`${Math.round(more / 1e6)} MB are left on the disk`];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs `work` and returns by how much the daemon's memory was above what it was, at its most. */
async function memoryOf(bed: Bed, work: () => Promise<unknown>): Promise<number> {
  const { pid } = bed.daemon;
  const bytes = async (field: string): Promise<number> =>
    Number.parseInt(await procStatus(pid, field), 10) * 1024;
  const before = await bytes("VmRSS");
  await writeFile(`/proc/${pid}/clear_refs`, "5");
  await work();
  return (await bytes("VmHWM")) - before;
}

const IS_REFUSED = /max-layer-size|(?:files|holes) of more than/;

/** What comes of a bomb on its way: whether it was taken, how its refusal is told, and what is left of it. */
async function got(
  bed: Bed,
  way: string,
  { format }: Packed,
  work: () => Promise<{ status: number; stdout: string; stderr: string }>,
): Promise<string[]> {
  const before = await diskOf(bed);
  let outcome = { status: 0, stdout: "", stderr: "" };
  const memory = await memoryOf(bed, async () => {
    outcome = await work();
  });
  const { status, stdout, stderr } = outcome;
  const told = IS_REFUSED.test(stdout + stderr) ? [] : [`${way} ${format}: ${status} ${stdout}${stderr}`];
  const much = memory < MOST_MEMORY ? [] : [`${way} ${format}: ${Math.round(memory / 1e6)} MB of memory`];
  return [...told, ...much, ...(await leftOf(bed, before))];
}

async function withRegistry<T>(
  bed: Bed,
  layer: Packed,
  use: (image: string) => Promise<T>,
  saysBytes?: number,
): Promise<T> {
  const options = { port: 18380, layer: layer.bytes, diffId: layer.digest, breaks: 0 };
  const says = saysBytes === undefined ? {} : { saysBytes };
  const registry = await startBrokenRegistry(bed.daemon.dir, bed.daemon.network, { ...options, ...says });
  try {
    return await use("localhost:18380/broken");
  } finally {
    registry.kill("SIGKILL");
    await registry.ended;
  }
}

const archiveOf = (layers: readonly Packed[]): Buffer =>
  imageArchive(
    "loaded",
    layers.map((l) => l.bytes),
    {},
    layers.map((l) => l.digest),
  );

attacks(
  "bombs",
  [
    {
      claim:
        "layers that become larger than the daemon takes are refused, however they come and whatever they are packed with",
      cves: [],
      weakened: [
        [
          "src/storage/layer/receive.ts",
          "      if (digester.sizeBytes > maxTarBytes) throw tooLarge(maxTarBytes);\n",
          "",
        ],
        ["src/lib/tar/reader.ts", "    if (this.#holeBytes > maxHoleBytes)", "    if (maxHoleBytes === 0)"],
        [
          "src/lib/tar/reader.ts",
          "    if (this.#contentBytes > maxContentBytes)",
          "    if (maxContentBytes === 0)",
        ],
      ],
      async run(bed) {
        const all: string[] = [];
        const bombs = [...(await packed(BEYOND)), await hole(BEYOND)];
        for (const bomb of bombs) {
          all.push(
            ...(await withRegistry(bed, bomb, (image) =>
              got(bed, "pull", bomb, () => bed.berth("pull", image)),
            )),
            ...(await got(bed, "load", bomb, () =>
              bed.daemon.run(berth, ["load"], { input: archiveOf([bomb]), timeoutMs: 60_000 }),
            )),
            ...(await got(bed, "import", bomb, () =>
              bed.daemon.run(berth, ["import", "-"], { input: bomb.bytes, timeoutMs: 60_000 }),
            )),
          );
          const context = bed.daemon.path("context");
          await mkdir(context, { recursive: true });
          await writeFile(`${context}/archive`, bomb.bytes);
          await writeFile(`${context}/Dockerfile`, "FROM scratch\nADD archive /\n");
          all.push(...(await got(bed, "build", bomb, () => bed.berth("build", "--no-cache", context))));
          await rm(context, { recursive: true });
        }
        return all;
      },
    },
    {
      claim:
        "a layer that is large, and not too large, is taken whole, and what the limit is not for has none",
      cves: [],
      weakened: [
        [
          "src/engine/container/files/copy.ts",
          "  const { stream } = await decompress(body);\n",
          `  const parts: Uint8Array[] = [];
  for await (const part of (await decompress(body)).stream) parts.push(Uint8Array.from(part));
  const stream = (async function* () {
    yield* parts;
  })();
`,
        ],
      ],
      async run(bed) {
        const layers = await packed(WITHIN);
        const before = await diskOf(bed);
        const input = archiveOf(layers);
        const memory = await memoryOf(bed, () => bed.text(["load"], { input }));
        assert.ok(memory < MOST_MEMORY, `${memory} bytes of memory`);
        await bed.text(["rmi", "loaded"]);
        await bed.text(["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
        const all: string[] = [];
        const url = "http://localhost/containers/box/archive?path=/tmp";
        const put = ["curl", "-sS", "-f", "-X", "PUT", "--unix-socket", bed.daemon.socket];
        for (const { format, bytes } of await packed(MUCH)) {
          const more = await memoryOf(bed, () => piped([...put, "--data-binary", "@-", url], bytes));
          if (more > MOST_MEMORY) all.push(`${format}: ${Math.round(more / 1e6)} MB of memory`);
          const size = await bed.text(["exec", "box", "stat", "-c", "%s", "/tmp/zeros"]);
          assert.equal(Number(size), MUCH, format);
          await bed.text(["exec", "box", "rm", "/tmp/zeros"]);
        }
        await bed.text(["rm", "-f", "box"]);
        return [...all, ...(await leftOf(bed, before))];
      },
    },
    {
      claim: "of a layer no more is taken than its manifest says that it has",
      cves: [],
      weakened: [
        [
          "src/storage/content/store.ts",
          "    if (expected.sizeBytes !== undefined && sizeBytes > expected.sizeBytes)",
          "    if (expected.sizeBytes !== undefined && sizeBytes < 0)",
        ],
      ],
      async run(bed) {
        const bytes = Buffer.alloc(BEYOND);
        const layer = { format: "", bytes, digest: digestOf(bytes) };
        const written = async (): Promise<number> =>
          Number(/^wchar: (\d+)/m.exec(await readFile(`/proc/${bed.daemon.pid}/io`, "utf8"))?.[1]);
        const before = await written();
        const { status, stderr } = await withRegistry(bed, layer, (image) => bed.berth("pull", image), 1000);
        const more = (await written()) - before;
        const told = status !== 0 && /more than 1000 bytes/.test(stderr) ? [] : [`${status} ${stderr}`];
        return more < 16 * MEBIBYTE ? told : [...told, `${Math.round(more / 1e6)} MB were written`];
      },
    },
  ],
  { config: { "max-layer-size": LIMIT, undo: false } },
);
