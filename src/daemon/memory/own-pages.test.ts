import assert from "node:assert/strict";
import { test } from "node:test";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { areasOnlyRead } from "./own-pages.ts";

const area = (range: string, mode: string, { inode = 1234, anonymous = 0 } = {}): string =>
  [
    `${range} ${mode} 01840000 fd:00 ${inode}                       /usr/local/bin/berth`,
    "Rss:                4096 kB",
    `Anonymous:      ${String(anonymous).padStart(8)} kB`,
    "VmFlags: rd ex mr mw me",
    "",
  ].join("\n");

test("what of a file is only read is found, and nothing that would lose what was written", () => {
  const smaps = [
    area("00200000-01a39000", "r--p"),
    area("01a40000-0684a000", "r-xp"),
    area("0684a000-07b43000", "rw-p"),
    area("7f0000000000-7f0000600000", "r--p", { anonymous: 8 }), // relocated, then protected
    area("7f1000000000-7f1000600000", "r--p", { inode: 0 }),
    area("7f2000000000-7f2000010000", "r-xp"),
    area("7fffe0000000-7fffe0400000", "r--s"),
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n",
  ].join("");
  assert.deepEqual(areasOnlyRead(smaps), [
    { start: 0x200000, length: 0x1839000 },
    { start: 0x1a40000, length: 0x684a000 - 0x1a40000 },
  ]);
});

test("a process that has mapped its executable anew goes on with less of it, and none in huge pages", async () => {
  const script = `
    const { remapExecutable } = await import("./own-pages.ts");
    const { readFileSync, readlinkSync } = require("node:fs");
    const exe = readlinkSync("/proc/self/exe");
    const text = () => readFileSync("/proc/self/smaps", "utf8").split(/^(?=[\\da-f]+-[\\da-f]+ )/m).filter((a) => a.includes(exe) && / r-xp /.test(a));
    const sum = (name) => text().map((a) => Number(new RegExp("^" + name + ": +(\\\\d+)", "m").exec(a)?.[1] ?? 0)).reduce((a, b) => a + b);
    const before = { areas: text().length, kb: sum("Rss") };
    remapExecutable();
    console.log(JSON.stringify({ before, after: { areas: text().length, kb: sum("Rss") }, hugeKb: sum("FilePmdMapped") }));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", script], {
    cwd: import.meta.dirname,
  });
  const { before, after, hugeKb } = JSON.parse(stdout);
  assert.equal(before.areas, 1);
  assert.ok(after.areas > 20, stdout);
  assert.ok(after.kb < before.kb, stdout);
  assert.equal(hugeKb, 0);
});
