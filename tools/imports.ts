// Checks the import arrows between the floors of src/ against tools/arrows.json and prints that table into
// ARCHITECTURE.md (`--write`), so that text and check cannot differ. Prints how many files and imports it saw:
// a check that saw nothing must not pass. Also fails on folders with too many files and on private `_x.ts` imports.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

interface Row {
  folder: string;
  floor: number;
  lives: string;
  may: string[];
}
interface Arrows {
  floors: Row[];
  inside: Record<string, Record<string, string[]>>;
  maxSourceFilesPerFolder: number;
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s*)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** One import statement of a source file: the module's text and whether only types are taken. */
export interface ImportStatement {
  specifier: string;
  isType: boolean;
}

/** Returns the import and re-export statements of a module's source text, dynamic imports included. */
export function findImports(source: string): ImportStatement[] {
  const withoutComments = source.replace(/(^|\s)\/\/[^\n]*|\/\*[\s\S]*?\*\//g, "$1");
  return [...withoutComments.matchAll(IMPORT)].map((m) => ({
    specifier: (m[2] ?? m[3]) as string,
    isType: m[1] !== undefined,
  }));
}

/** Returns what is wrong with one arrow, or null. `from` and `to` are paths relative to src/. */
export function judgeArrow(arrows: Arrows, from: string, to: string, isType: boolean): string | null {
  const [a, b] = [topOf(from), topOf(to)];
  const last = to.slice(to.lastIndexOf("/") + 1);
  if (last.startsWith("_") && dirname(from) !== dirname(to))
    return `private file ${to} imported from another folder`;
  if (a === b) return judgeInside(arrows.inside[a], from, to);
  const row = arrows.floors.find((r) => r.folder === a);
  if (row === undefined) return `folder ${a} is not in tools/arrows.json`;
  if (row.may.includes("*") || row.may.includes(b)) return null;
  if (row.may.includes(`${b}:types`)) return isType ? null : `${a}/ may import only types from ${b}/`;
  return `${a}/ may not import from ${b}/`;
}

function judgeInside(table: Record<string, string[]> | undefined, from: string, to: string): string | null {
  const [x, y] = [from.split("/"), to.split("/")];
  if (table === undefined || x.length < 3 || y.length < 3 || x[1] === y[1]) return null;
  const may = table[x[1] as string];
  if (may === undefined) return `folder ${x[0]}/${x[1]} is not in tools/arrows.json`;
  return may.includes("*") || may.includes(y[1] as string)
    ? null
    : `${x[0]}/${x[1]} may not import ${y[0]}/${y[1]}`;
}

const topOf = (path: string): string => path.split("/")[0] as string;

function sourceFiles(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const path = join(dir, e.name);
    if (e.isDirectory()) return sourceFiles(path);
    return /\.tsx?$/.test(e.name) ? [path] : [];
  });
}

function table(arrows: Arrows): string {
  const rows = arrows.floors.map(
    (r) =>
      `| ${r.floor} | \`${r.folder}\` | ${r.lives} | ${r.may.join(", ").replace("*", "everything") || "nothing"} |`,
  );
  return ["| floor | folder | lives there | may import |", "|---|---|---|---|", ...rows].join("\n");
}

function updateTable(arrows: Arrows, file: string, write: boolean): string[] {
  const text = readFileSync(file, "utf8");
  const marked = /(<!-- arrows -->\n)[\s\S]*?(\n<!-- \/arrows -->)/;
  if (!marked.test(text)) return [`${file}: the <!-- arrows --> block is missing`];
  const next = text.replace(marked, (_, a: string, b: string) => a + table(arrows) + b);
  if (next === text) return [];
  if (!write)
    return [`${file}: the arrows table differs from tools/arrows.json (run tools/imports.ts --write)`];
  writeFileSync(file, next);
  return [];
}

function main(): void {
  const root = resolve(import.meta.dirname, "..");
  const arrows = JSON.parse(readFileSync(join(root, "tools/arrows.json"), "utf8")) as Arrows;
  const src = join(root, "src");
  const problems: string[] = updateTable(
    arrows,
    join(root, "ARCHITECTURE.md"),
    process.argv.includes("--write"),
  );
  let imports = 0;
  const files = sourceFiles(src);
  const perFolder = new Map<string, number>();
  for (const file of files) {
    const from = relative(src, file);
    const isTest = /(\.test|\/suite|-fake|\.fake)\.tsx?$/.test(from);
    if (!isTest) perFolder.set(dirname(from), (perFolder.get(dirname(from)) ?? 0) + 1);
    for (const { specifier, isType } of findImports(readFileSync(file, "utf8"))) {
      imports++;
      if (!specifier.startsWith(".")) continue;
      const target = resolve(dirname(file), specifier);
      const to = relative(src, target);
      if (to.startsWith("..")) {
        if (!isTest && !specifier.endsWith(".json") && !to.startsWith("../build/"))
          problems.push(`${from}: imports ${to}, outside src/`);
        continue;
      }
      if (!statSync(target, { throwIfNoEntry: false })?.isFile())
        problems.push(`${from}: ${specifier} does not exist`);
      if (isTest) continue;
      const problem = judgeArrow(arrows, from, to, isType);
      if (problem !== null) problems.push(`${from}: ${problem} (${specifier})`);
    }
  }
  // One verb, one file: a noun of the command line may have as many files as it has verbs.
  for (const [folder, count] of perFolder)
    if (count > arrows.maxSourceFilesPerFolder && !folder.startsWith("cli/commands/"))
      problems.push(`${folder}/: ${count} source files, at most ${arrows.maxSourceFilesPerFolder}`);
  for (const p of problems) console.error(p);
  console.log(`imports: ${files.length} files, ${imports} imports, ${problems.length} problems`);
  process.exitCode = problems.length > 0 || files.length === 0 || imports === 0 ? 1 : 0;
}

if (import.meta.main) main();
