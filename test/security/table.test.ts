// The table of docs/security.md is the suite's: `BERTH_WRITE=1` writes it, otherwise it is compared.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./weaken.ts";

const DOCUMENT = join(ROOT, "docs/security.md");
const MARKED = /(<!-- attacks -->\n)[\s\S]*?(<!-- \/attacks -->)/;

/** One row an attack: the holes it stands for, what has to hold, where. */
function rows(): string[] {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.ts"));
  return files.sort().flatMap((name) => {
    const source = readFileSync(join(import.meta.dirname, name), "utf8");
    return [...source.matchAll(/\bclaim:\s*"([^"]+)",\s*cves: \[([^\]]*)\]/g)].map(
      ([, claim = "", cves = ""]) => {
        const holes = [...cves.matchAll(/"([^"]+)"/g)].map((m) => m[1]).join(", ");
        return `| ${holes} | ${claim} | \`${name}\` |`;
      },
    );
  });
}

test("docs/security.md lists every attack", () => {
  const list = rows();
  assert.ok(list.length > 30);
  const table = ["| holes | what has to hold | test |", "|---|---|---|", ...list, ""].join("\n");
  const text = readFileSync(DOCUMENT, "utf8");
  const next = text.replace(MARKED, (_, before: string, after: string) => before + table + after);
  if (process.env["BERTH_WRITE"] === "1") writeFileSync(DOCUMENT, next);
  else assert.equal(text, next, "run this test with BERTH_WRITE=1");
});
