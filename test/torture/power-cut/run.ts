// Records workloads and cuts the power after each of their steps:
//
//   tools/bun test/torture/power-cut/run.ts [--workload NAME] [--cuts N] [--kinds K,K] [--seed N] [--only STEP:KIND] [--forget datasync|syncDir]
//
// Prints one line of JSON for each workload, and says of each loss which step and kind repeat it. `--forget` records on a disk that does not
// tell of one sort of synchronisation: losses must be found then. Runs itself again in network, mount and process namespaces of its own.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../../../src/lib/errors.ts";
import { openRegistry } from "../../../src/registry/server/open.ts";
import { Random } from "../random.ts";
import { CUT_KINDS, cutAfter, type CutKind } from "./cut.ts";
import { broken, observe, openEngine, type Place } from "./engine.ts";
import { Ledger } from "./ledger.ts";
import { RecordingDisk, type Step } from "./recording-disk.ts";
import { WORKLOADS } from "./workloads.ts";

const REGISTRY_PORT = 5000;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

const { values } = parseArgs({
  options: {
    workload: { type: "string" },
    cuts: { type: "string", default: "all" },
    kinds: { type: "string", default: CUT_KINDS.join(",") },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    forget: { type: "string" },
    dir: { type: "string" },
  },
});

/** What one workload came to. */
export interface Report {
  readonly workload: string;
  readonly steps: number;
  readonly cuts: number;
  readonly promises: number;
  readonly losses: readonly string[];
  readonly seconds: number;
}

function must(...argv: string[]): void {
  const [file = "", ...args] = argv;
  const { status, stderr } = spawnSync(file, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
}

/** The machine was started anew: what is read of it says so. */
function boot(dir: string, number: number): void {
  const path = join(dir, `boot-${number}`);
  writeFileSync(path, `00000000-0000-4000-8000-${String(number).padStart(12, "0")}\n`);
  must("mount", "--bind", path, BOOT_ID);
}

interface Recording {
  readonly steps: readonly Step[];
  readonly ledger: Ledger;
}

async function record(name: string, place: Place): Promise<Recording> {
  const disk = new RecordingDisk(place.disk);
  const { forget } = values;
  if (forget === "datasync" || forget === "syncDir") disk.forgets = forget;
  const ledger = new Ledger(() => disk.steps.length);
  await using registry = await openRegistry({
    root: join(place.run, "..", "registry"),
    listen: { host: "127.0.0.1", port: REGISTRY_PORT },
    isReadOnly: false,
    keepMs: 1e9,
    realm: "registry",
    log: () => {},
  });
  const machine = { disk, around: (keel: Parameters<RecordingDisk["around"]>[0]) => disk.around(keel) };
  await using engine = await openEngine(place, machine);
  const { api } = engine;
  await WORKLOADS[name]?.({ api, ledger, flush: () => disk.flush(), registry: registry.address });
  if (engine.errors.length > 0) throw new Error(`while ${name} was recorded: ${engine.errors.join("\n")}`);
  return { steps: [...disk.steps], ledger };
}

/** Starts the engine on what is left and returns what is wrong. */
async function judge(
  { steps, ledger }: Recording,
  place: Place,
  count: number,
  kind: CutKind,
): Promise<string[]> {
  rmSync(place.disk, { recursive: true, force: true });
  mkdirSync(place.disk, { mode: 0o700 });
  const random = new Random(Number(values.seed) * 1_000_003 + count);
  cutAfter(steps, count, kind, random).writeTo(place.disk);
  try {
    await using engine = await openEngine(place);
    const seen = await observe(engine.api);
    const losses = broken(seen, ledger.objects, (object) => ledger.allowed(object, count));
    return [...losses, ...engine.errors.map((line) => `logged: ${line}`)];
  } catch (error) {
    return [messageOf(error)];
  }
}

/** Evenly spread over the steps, the last one among them. */
function cutPoints(steps: number, wanted: string): number[] {
  const count = wanted === "all" ? steps + 1 : Math.min(Number(wanted), steps + 1);
  return Array.from({ length: count }, (_, i) => steps - Math.floor((i * steps) / Math.max(count - 1, 1)));
}

async function torture(name: string, dir: string): Promise<Report> {
  const begun = Date.now();
  const place: Place = { disk: join(dir, "disk"), run: join(dir, "run") };
  mkdirSync(place.disk, { recursive: true, mode: 0o700 });
  boot(dir, 1);
  const recording = await record(name, place);
  boot(dir, 2);
  const steps = recording.steps.length;
  const [onlyCount, onlyKind] = values.only?.split(":") ?? [];
  const counts = onlyCount === undefined ? cutPoints(steps, values.cuts) : [Number(onlyCount)];
  const kinds = (onlyKind ?? values.kinds).split(",") as CutKind[];
  const losses: string[] = [];
  for (const count of counts)
    for (const kind of kinds)
      for (const loss of await judge(recording, place, count, kind))
        losses.push(`${name} ${count}:${kind}: ${loss}`);
  rmSync(place.disk, { recursive: true, force: true });
  const promises = recording.ledger.promisesAt(Number.POSITIVE_INFINITY);
  const seconds = Math.round((Date.now() - begun) / 1000);
  return { workload: name, steps, cuts: counts.length * kinds.length, promises, losses, seconds };
}

async function inside(dir: string): Promise<number> {
  process.umask(0o022);
  must("mount", "-t", "tmpfs", "-o", "mode=0711", "tmpfs", dir);
  must("ip", "link", "set", "lo", "up");
  let isClean = true;
  for (const name of values.workload?.split(",") ?? Object.keys(WORKLOADS)) {
    const report = await torture(name, join(dir, name));
    process.stdout.write(`${JSON.stringify(report)}\n`);
    isClean &&= report.losses.length === 0;
  }
  return isClean ? 0 : 1;
}

/** Containers, mounts and interfaces are nobody else's, and go with the last process. */
function outside(): number {
  const dir = mkdtempSync(join(tmpdir(), "berth-power-cut-"));
  try {
    const namespaces = ["unshare", "--net", "--mount", "--propagation", "private"];
    const self = [process.execPath, import.meta.filename, ...process.argv.slice(2), "--dir", dir];
    const { status } = spawnSync("env", [...namespaces, ...self], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    return status ?? 1;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

process.exit(values.dir === undefined ? outside() : await inside(values.dir));
