// Every command can be loaded, has a help page, and no two share a name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nounHelp, rootHelp, verbHelp } from "../help.ts";
import { nouns, verbs } from "./table.ts";

test("names are unique and every noun has commands", () => {
  const names = verbs().flatMap(({ noun, name, aliases = [], top }) => [
    ...(noun === "" ? [] : [name, ...aliases].map((word) => `${noun} ${word}`)),
    ...(top === undefined ? [] : [top]),
  ]);
  assert.equal(new Set(names).size, names.length);
  const tops = new Set(verbs().map(({ top }) => top));
  for (const { name } of nouns()) {
    assert.ok(verbs().some(({ noun }) => noun === name));
    assert.ok(!tops.has(name));
    assert.match(nounHelp("berth", name), new RegExp(`^Usage: {2}berth ${name} COMMAND\n`));
  }
  assert.match(
    rootHelp("berth", 79, []),
    /^Usage: {2}berth \[OPTIONS\] COMMAND\n[^]*\n {2}run {9}Create and run/,
  );
});

for (const entry of verbs()) {
  const path = entry.noun === "" ? entry.name : `${entry.noun} ${entry.name}`;
  test(`${path} loads and explains itself within 80 columns`, async () => {
    const { command } = await entry.load();
    const page = verbHelp(`berth ${path}`, entry, command, 79);
    assert.ok(page.startsWith(`Usage:  berth ${path}`));
    const options = page.split("\nOptions:\n")[1] ?? "";
    // A last word may stand out by the few columns that pflag allows.
    for (const line of options.split("\n")) assert.ok(line.length <= 84, line);
    const shorts = Object.values(command.flags).flatMap((flag) => (flag as { short?: string }).short ?? []);
    assert.equal(new Set(shorts).size, shorts.length);
  });
}
