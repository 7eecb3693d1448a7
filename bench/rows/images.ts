// Images in and out: an image of 300 MB in five layers, and one whose only layer has 10 000 files. Nothing of an image is there before a
// measurement. Registries are Debian's docker-registry in the engine's room: one of its own to push to, and one to pull from
// over the files that all engines share. Each engine has a new ext4 with a journal, as Debian makes it: an ext4 without one (cloud
// machines have it) does not use the inodes of removed files for minutes, and looks at each of them anew for every file it makes
// (recently_deleted in the kernel's fs/ext4/ialloc.c): what anybody removed lately would decide the result.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bigFile, makeArchive, manyFiles } from "../field/archive.ts";
import { type DaemonEngine, openDaemons } from "../field/engines.ts";
import { outcomeOf } from "../field/room.ts";
import { type Group, type Row, timed } from "./row.ts";

const BIG = { layers: 5, layerBytes: 60 << 20 };
const FILES = 10_000;
const ROUNDS = { full: 3, quick: 0 };
const DISK_BYTES = 32 * 2 ** 30;
const OWN = "localhost:5000";
const SHARED = "localhost:5001";

let shared: string | undefined;

/** The directory of the archives and of the files of the shared registry. */
function sharedDir(): string {
  if (shared !== undefined) return shared;
  shared = mkdtempSync(join(tmpdir(), `berth-bench-${process.pid}-images-`));
  process.once("exit", () => rmSync(shared as string, { recursive: true, force: true }));
  return shared;
}

/** Each round of the many files has its own image, and all stay: making 10 000 files must not wait for removing as many. */
const nameOf = (image: "big" | "files", round: number): string =>
  image === "big" ? "big" : `files${round + 1}`;

function archiveOf(name: string): string {
  const archive = join(sharedDir(), `${name}.tar`);
  if (existsSync(archive)) return archive;
  const big = Array.from({ length: BIG.layers }, () => bigFile(BIG.layerBytes));
  return makeArchive(sharedDir(), name, name === "big" ? big : [manyFiles(FILES)]);
}

async function startRegistry(e: DaemonEngine, address: string, root: string): Promise<void> {
  const port = address.split(":")[1];
  const config = join(e.room.dir, `registry-${port}.yml`);
  const storage = `{filesystem: {rootdirectory: ${root}}}`;
  const http = `{addr: "127.0.0.1:${port}"}`;
  writeFileSync(config, `version: 0.1\nlog: {level: error}\nstorage: ${storage}\nhttp: ${http}\n`);
  e.room.start(["docker-registry", "serve", config]);
  const isUp = (): boolean =>
    outcomeOf(e.room.wrap(["curl", "-sf", "-o", "/dev/null", `http://${address}/v2/`])).status === 0;
  for (let i = 0; !isUp(); i++) {
    if (i > 100) throw new Error("the registry did not start");
    await new Promise((resolve) => setTimeout(resolve, 100)); // it tells nobody when it is ready
  }
}

/** Gives the shared registry an image, as Docker compresses it; the engine forgets it. */
let publisher: DaemonEngine | undefined;

function publish(name: string): void {
  if (existsSync(join(sharedDir(), "registry/docker/registry/v2/repositories", name))) return;
  publisher?.cli(["load", "-q", "-i", archiveOf(name)]);
  publisher?.cli(["tag", name, `${SHARED}/${name}`]);
  publisher?.cli(["push", "-q", `${SHARED}/${name}`]);
}

const forget = (e: DaemonEngine, ...names: string[]): void =>
  void e.outcome(["rmi", "-f", ...names.flatMap((name) => [name, `${SHARED}/${name}`, `${OWN}/${name}`])]);

const load = (image: "big" | "files", what: string): Row<DaemonEngine> => ({
  name: `load.${image}`,
  what: `\`load\`, ${what}`,
  unit: "ms",
  goal: { faster: image === "big" ? 1.5 : 1 },
  rounds: image === "big" ? { full: 3, quick: 1 } : ROUNDS,
  prepare(e, round) {
    archiveOf(nameOf(image, round));
    if (image === "big") forget(e, "big");
  },
  sample: (e, round) => timed(() => e.cli(["load", "-q", "-i", archiveOf(nameOf(image, round))])),
});

const pull = (image: "big" | "files", what: string): Row<DaemonEngine> => ({
  name: `pull.${image}`,
  what: `\`pull\`, ${what}`,
  unit: "ms",
  goal: { faster: 1 },
  rounds: ROUNDS,
  prepare(e, round) {
    publish(nameOf(image, round));
    forget(e, nameOf(image, round));
  },
  sample: (e, round) => timed(() => e.cli(["pull", "-q", `${SHARED}/${nameOf(image, round)}`])),
});

export const images: Group<DaemonEngine> = {
  name: "images",
  open: () => openDaemons({ diskBytes: DISK_BYTES }),
  async setUp(e) {
    if (e.kind === "docker") publisher = e;
    await startRegistry(e, OWN, join(e.room.dir, "registry"));
    await startRegistry(e, SHARED, join(sharedDir(), "registry"));
  },
  rows: [
    load("big", "300 MB in 5 layers"),
    load("files", `${FILES} files`),
    {
      name: "save.big",
      what: "`save` of the 300 MB",
      unit: "ms",
      goal: { faster: 1 },
      rounds: ROUNDS,
      prepare: (e) => void e.cli(["load", "-q", "-i", archiveOf("big")]),
      sample: (e) => timed(() => e.sh("$CLI save big >/dev/null")),
    },
    {
      name: "push.big",
      what: "`push` of the 300 MB to a local registry",
      unit: "ms",
      goal: { faster: 1 },
      rounds: ROUNDS,
      prepare(e) {
        const root = join(e.room.dir, "registry");
        if (existsSync(root))
          for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true });
        e.cli(["load", "-q", "-i", archiveOf("big")]);
        e.cli(["tag", "big", `${OWN}/big`]);
      },
      sample: (e) => timed(() => e.cli(["push", "-q", `${OWN}/big`])),
    },
    {
      name: "commit",
      what: "`commit` of a container that wrote 100 MB",
      unit: "ms",
      goal: { faster: 1 },
      rounds: ROUNDS,
      prepare: (e) =>
        void e.cli(["run", "--name", "wrote", "bench", "sh", "-c", "yes berth | head -c 100000000 >/data"]),
      sample: (e) => timed(() => e.cli(["commit", "wrote", "committed"])),
      after: (e) => {
        e.remove("wrote");
        e.cli(["rmi", "-f", "committed"]);
      },
    },
    pull("big", "300 MB in 5 layers"),
    pull("files", `${FILES} files`),
  ],
};
