// The sources built as another version: a daemon of another build.
import assert from "node:assert/strict";
import { appendFile, cp, mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "./command.ts";

const ROOT = dirname(dirname(import.meta.dirname));
export const NEWER_VERSION = "99.0.0";

/** Builds them in `dir` with a keel of its own: bytes at the end of a program do not change what it does. Returns the program. */
export async function buildNewer(dir: string): Promise<string> {
  await Promise.all(
    ["src", "package.json", "tsconfig.json", "tools/bun", "build/keel"].map(async (name) => {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await cp(join(ROOT, name), join(dir, name), { recursive: true });
    }),
  );
  await symlink(join(ROOT, "node_modules"), join(dir, "node_modules"));
  await appendFile(join(dir, "build/keel"), "newer");
  const program = join(dir, "berth");
  const defines = [
    "--define",
    `BERTH_BUILD_VERSION="${NEWER_VERSION}"`,
    "--define",
    'BERTH_BUILD_COMMIT="newer"',
  ];
  const options = ["--compile", "--bytecode", "--splitting", "--format=esm", "--target=bun", ...defines];
  const argv = [join(ROOT, "tools/bun"), "build", ...options, "src/main.ts", "--outfile", program];
  const built = await run(argv, { cwd: dir, timeoutMs: 120_000, env: { PATH: process.env["PATH"] ?? "" } });
  assert.equal(built.status, 0, built.stderr);
  return program;
}
