// `cp`, with both sides of it on a disk of the engine's own. What is copied, what it becomes and the engine's data share an ext4 that
// nothing was ever removed from: ext4 passes over each inode that was freed in the last minutes, in every search for another, so that
// ten thousand files cost several times as much where trees of files went away shortly before, whoever makes them and whoever removed those.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BERTH, type DaemonEngine, openDaemons } from "../field/engines.ts";
import { must } from "../field/room.ts";
import { type Group, type Row, timed } from "./row.ts";

const DISK_BYTES = 8 * 2 ** 30;
const FILE_MB = 100;
const FILES = 10_000;

/** Directory for what is copied and for copies, as the room sees it. */
const insideOf = ({ room }: DaemonEngine): string => join(room.dir, "data/copies");
/** The same directory, as the suite sees it. */
const outsideOf = (e: DaemonEngine): string => join("/proc", String(e.room.pid), "root", insideOf(e));

function makeSources(e: DaemonEngine): void {
  const source = outsideOf(e);
  mkdirSync(source);
  writeFileSync(join(source, "big"), Buffer.alloc(FILE_MB * 1e6, "berth "));
  for (let i = 0; i < FILES; i++) {
    const dir = join(source, "many", String(i % 100));
    if (i < 100) mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, String(i)), `file ${i}\n`.repeat(50));
  }
}

/** Copies with the client in the room, where the disk is mounted. */
function copy(e: DaemonEngine, from: string, to: string): void {
  const client = e.kind === "berth" ? BERTH : "docker";
  must(e.room.wrap([client, "-H", e.host, "cp", from, to]));
}

/** Each copy goes to a place of its own, and none is removed. */
const copies = new WeakMap<DaemonEngine, number>();

const place = (e: DaemonEngine): string => String(copies.get(e) ?? 0);

function nextPlace(e: DaemonEngine): string {
  copies.set(e, (copies.get(e) ?? 0) + 1);
  return place(e);
}

const into = (name: string, what: string, entry: string): Row<DaemonEngine> => ({
  name,
  what,
  unit: "ms",
  goal: { faster: 1 },
  rounds: { full: 5, quick: 0 },
  prepare: (e) => void e.cli(["exec", "box", "mkdir", `/in/${nextPlace(e)}`]),
  sample: (e) => timed(() => copy(e, join(insideOf(e), entry), `box:/in/${place(e)}`)),
});

const outOf = (name: string, what: string, entry: string): Row<DaemonEngine> => ({
  name,
  what,
  unit: "ms",
  goal: { faster: 1 },
  rounds: { full: 5, quick: 0 },
  sample(e, round) {
    const to = `${entry}-${round}`;
    mkdirSync(join(outsideOf(e), to));
    return timed(() => copy(e, `box:/in/${place(e)}/${entry}`, join(insideOf(e), to)));
  },
});

export const copying: Group<DaemonEngine> = {
  name: "copying",
  open: () => openDaemons({ diskBytes: DISK_BYTES }),
  setUp(e) {
    makeSources(e);
    e.cli(["run", "-d", "--name", "box", "bench", "sh", "-c", "mkdir /in && exec sleep 86400"]);
  },
  rows: [
    into("cp.file.in", `\`cp\` of a file of ${FILE_MB} MB into a container`, "big"),
    outOf("cp.file.out", "the same out of it", "big"),
    into("cp.files.in", `\`cp\` of ${FILES} files into a container`, "many"),
    outOf("cp.files.out", "the same out of it", "many"),
  ],
};
