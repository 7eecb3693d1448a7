// Checks that constant tables of the sources have no prototype (src/lib/table.ts): their keys come from requests and files.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const files = execFileSync("git", ["ls-files", "src/*.ts"], { cwd: root, encoding: "utf8" })
  .trim()
  .split("\n");
const sources = files.filter((file) => !file.endsWith(".test.ts"));
const problems: string[] = [];
for (const file of sources)
  for (const [i, line] of readFileSync(join(root, file), "utf8").split("\n").entries())
    if (/^(?:export )?const \w+: (?:Readonly<)?Record<string, .*> = \{/.test(line))
      problems.push(`${file}:${i + 1}: say \`= table({…})\`: a plain object answers to "constructor"`);
for (const p of problems) console.error(p);
console.log(`tables: ${sources.length} files, ${problems.length} problems`);
process.exitCode = problems.length > 0 || sources.length === 0 ? 1 : 0;
