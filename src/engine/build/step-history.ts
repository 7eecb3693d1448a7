// What decided about the steps of earlier builds, for `build --explain`: one small file for each step that was seen, the oldest of
// them removed. Nothing depends on it: what cannot be read or written is as if it had never been.
import { mkdirSync } from "node:fs";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StepHistory } from "../../build/explain/explainer.ts";
import type { StepInputs } from "../../build/explain/inputs.ts";

const MAX_FILES = 4000;
/** Larger ones (a COPY of very many files) are not worth their room. */
const MAX_BYTES = 1 << 20;

export class StepHistoryFiles implements StepHistory {
  readonly #dir: string;
  /** Keys by slot, of what is in the files. */
  readonly #known = new Map<string, string>();
  #writing: Promise<unknown> = Promise.resolve();
  #written = 0;

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  async get(slot: string): Promise<StepInputs | undefined> {
    await this.#writing;
    try {
      return JSON.parse(await readFile(join(this.#dir, slot), "utf8")) as StepInputs;
    } catch {
      return undefined; // ignored: it was never noted, or is damaged
    }
  }

  put(slot: string, key: string, inputs: StepInputs): void {
    if (this.#known.get(slot) === key) return;
    if (this.#known.size >= MAX_FILES) this.#known.clear();
    this.#known.set(slot, key);
    this.#writing = this.#writing.then(() => this.#write(slot, inputs)).catch(() => undefined); // ignored: see above
  }

  async #write(slot: string, inputs: StepInputs): Promise<void> {
    const text = JSON.stringify(inputs);
    if (text.length > MAX_BYTES) return;
    await writeFile(join(this.#dir, slot), text, { mode: 0o600 });
    if (++this.#written % MAX_FILES === 0) await this.#trim();
  }

  async #trim(): Promise<void> {
    const names = await readdir(this.#dir);
    if (names.length <= MAX_FILES) return;
    const aged = await Promise.all(
      names.map(async (name) => ({ name, at: (await stat(join(this.#dir, name))).mtimeMs })),
    );
    aged.sort((a, b) => a.at - b.at);
    for (const { name } of aged.slice(0, names.length - MAX_FILES / 2))
      await rm(join(this.#dir, name), { force: true });
  }
}
