// SECURITY.md names a test for each thing that it promises: they have to exist.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const ROOT = dirname(import.meta.dirname);

test("each line of SECURITY.md names a test that exists", () => {
  const page = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
  const tables = [...page.matchAll(/<!-- claims -->\n([^]*?)<!-- \/claims -->/g)].map(
    (match) => match[1] ?? "",
  );
  const rows = tables.flatMap((table) => table.trim().split("\n").slice(2));
  assert.equal(rows.length > 25, true);
  for (const row of rows) {
    const [, path = "", title = ""] = /`([^`]+)`: "(.+)" \|$/.exec(row) ?? [];
    assert.equal(existsSync(join(ROOT, path)) && path !== "", true, `no such file: ${row}`);
    const source = readFileSync(join(ROOT, path), "utf8");
    // A title may be in quotes of either kind, and in those of a template where it has a variable.
    const isThere = [`"${title}"`, `\`${title}\``].some((text) => source.includes(text));
    assert.equal(isThere, true, `no such test: ${row}`);
  }
});
