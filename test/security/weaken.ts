// Builds the product without one of its defences: a copy of the sources in which exact pieces of text are replaced. The
// product itself has no switch for this. A piece that is not there exactly once is an error, so that the description of a
// weakness cannot outlive the code that it is about.
import assert from "node:assert/strict";
import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { run } from "../e2e/command.ts";

export const ROOT = dirname(dirname(import.meta.dirname));

/** A replacement: file (from the repository's root), what is there, what takes its place. */
export type Edit = readonly [file: string, from: string, to: string];

/** A weakened product. */
export interface Weakened extends AsyncDisposable {
  /** Starts it: what comes before `daemon`. */
  readonly program: readonly string[];
  /** Its keel. */
  readonly keel: string;
}

/** Returns the text with the edits made. Fails where a piece is missing or ambiguous. */
export function applyEdits(
  text: string,
  file: string,
  edits: readonly (readonly [string, string])[],
): string {
  return edits.reduce((now, [from, to]) => {
    assert.equal(now.split(from).length, 2, `${file} has exactly once: ${from}`);
    return now.replace(from, () => to);
  }, text);
}

const inFile = (edits: readonly Edit[], file: string): (readonly [string, string])[] =>
  edits.filter(([name]) => name === file).map(([, from, to]) => [from, to] as const);

/** Fails when a weakness is not about the sources as they are any more: then nobody knows what its attack is worth. */
export async function checkEdits(edits: readonly Edit[]): Promise<void> {
  for (const file of new Set(edits.map(([name]) => name)))
    applyEdits(await readFile(join(ROOT, file), "utf8"), file, inFile(edits, file));
}

let count = 0;

/** Copies the sources, makes the edits and builds keel where it is touched; the TypeScript side runs from its sources. */
export async function weaken(edits: readonly Edit[]): Promise<Weakened> {
  const dir = join(ROOT, "build/weakened", `${process.pid}-${++count}`);
  await mkdir(join(dir, "build"), { recursive: true });
  const keep = { recursive: true, preserveTimestamps: true };
  for (const name of ["src", "native", "tools", "build/obj", "build/keel", "package.json", "tsconfig.json"])
    await cp(join(ROOT, name), join(dir, name), keep);
  await symlink(join(ROOT, "node_modules"), join(dir, "node_modules"));
  for (const file of new Set(edits.map(([name]) => name))) {
    const path = join(dir, file);
    await writeFile(path, applyEdits(await readFile(path, "utf8"), file, inFile(edits, file)));
  }
  // A weakened function may leave a helper without a user.
  const flags = "WARN=-w";
  const make = ["make", "-s", `-j${availableParallelism()}`, "-C", join(dir, "native"), flags, "all"];
  const built = await run(make, { timeoutMs: 600_000 });
  assert.equal(built.status, 0, built.stdout + built.stderr);
  return {
    program: [process.execPath, join(dir, "src/main.ts")],
    keel: join(dir, "build/keel"),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
