import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { OPCODES } from "../src/linux/ops.ts";
import { renderOps } from "./ops.ts";

test("renderOps writes a constant and a name for each opcode", () => {
  const header = renderOps({ mkdir: 2, netnsNew: 9 });
  assert.match(header, /\tOP_MKDIR = 2,\n\tOP_NETNS_NEW = 9,\n/);
  assert.match(header, /\tcase OP_NETNS_NEW: return "netnsNew";\n/);
});

test("renderOps refuses two operations with one opcode", () => {
  assert.throws(() => renderOps({ a: 1, b: 1 }), /opcode of b/);
  assert.throws(() => renderOps({ a: 0 }), /opcode of a/);
});

test("native/ops.h is up to date", () => {
  assert.equal(readFileSync(new URL("../native/ops.h", import.meta.url), "utf8"), renderOps(OPCODES));
});
