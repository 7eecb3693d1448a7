// Compiled system-call filters on disk: each command is a process of its own, and compiling a profile such as Docker's takes longer than
// everything else of `create`. A file is found by the digest of what it was made from, our own build included. As private as keel,
// which is in the same directory; what is damaged or could be another's is compiled again.

import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BERTH_COMMIT, BERTH_VERSION } from "../../../lib/version.ts";
import { asNumber, decodeBody, encodeFrame, frameLength } from "../../../linux/wire.ts";
import type { SeccompProgram } from "../../seccomp/compile.ts";
import { keepProgramsIn, type ProgramStore } from "../../seccomp/cache.ts";
import { MAX_INSTRUCTIONS } from "../../seccomp/program.ts";
import { programDirs } from "./keel-run.ts";

const MAX_FILES = 64;
const INSTRUCTION_BYTES = 8;

/** From now on filters come from the disk where they have been made before. */
export function keepFilters(): void {
  const [dir = ""] = programDirs();
  keepProgramsIn(new FilterStore(join(dir, "filters")));
}

/** Files in a directory of root's, or of whoever runs us. */
export class FilterStore implements ProgramStore {
  readonly #dir: string;
  readonly #build: string;

  /** `build` names the compiler. */
  constructor(dir: string, build: string = ownBuild()) {
    this.#dir = dir;
    this.#build = build;
  }

  load(key: string): SeccompProgram | undefined {
    try {
      const bytes = this.#read(this.#pathOf(key));
      if (bytes === undefined || frameLength(bytes) !== bytes.length - 4) return undefined;
      const [flags, program] = decodeBody(bytes.subarray(4));
      if (!Buffer.isBuffer(program) || program.length === 0) return undefined;
      if (program.length % INSTRUCTION_BYTES || program.length > MAX_INSTRUCTIONS * INSTRUCTION_BYTES)
        return undefined;
      return { flags: asNumber(flags), program };
    } catch {
      return undefined; // ignored: it is not there, or damaged; then it is made again
    }
  }

  save(key: string, { flags, program }: SeccompProgram): void {
    const path = this.#pathOf(key);
    const fresh = `${path}.${process.pid}`;
    try {
      mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
      writeFileSync(fresh, encodeFrame([flags, program]), { mode: 0o600, flag: "wx" });
      renameSync(fresh, path);
      this.#trim();
    } catch {
      rmSync(fresh, { force: true }); // ignored: it works without
    }
  }

  #pathOf(key: string): string {
    return join(this.#dir, new Bun.CryptoHasher("sha256").update(`${this.#build}\n${key}`).digest("hex"));
  }

  #read(path: string): Buffer | undefined {
    const fd = openSync(path, "r");
    try {
      const { uid, mode } = fstatSync(fd);
      return uid === process.geteuid?.() && (mode & 0o022) === 0 ? readFileSync(fd) : undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** The oldest go. */
  #trim(): void {
    const names = readdirSync(this.#dir);
    if (names.length <= MAX_FILES) return;
    const byAge = names
      .map((name) => join(this.#dir, name))
      .map((path) => ({ path, madeAt: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
      .sort((a, b) => a.madeAt - b.madeAt);
    for (const { path } of byAge.slice(0, names.length - MAX_FILES)) rmSync(path, { force: true });
  }
}

/** A build that was made from changed sources has the same version as the one before. */
function ownBuild(): string {
  const { mtimeMs, size } = statSync(process.execPath);
  return `${BERTH_VERSION} ${BERTH_COMMIT} ${mtimeMs} ${size}`;
}
