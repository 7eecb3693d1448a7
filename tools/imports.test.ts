import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findImports, judgeArrow } from "./imports.ts";

const arrows = JSON.parse(readFileSync(join(import.meta.dirname, "arrows.json"), "utf8"));

test("findImports sees static, type, re-export, side-effect and dynamic imports and no comments", () => {
  const source = `
import type { A } from "./a.ts";
import { b,
  c } from "../b.ts";
export { d } from "./d.ts";
import "./e.ts";
const f = await import("./f.ts");
// import { g } from "./g.ts";
/* import "./h.ts"; */
`;
  assert.deepEqual(findImports(source), [
    { specifier: "./a.ts", isType: true },
    { specifier: "../b.ts", isType: false },
    { specifier: "./d.ts", isType: false },
    { specifier: "./e.ts", isType: false },
    { specifier: "./f.ts", isType: false },
  ]);
});

test("judgeArrow refuses planted violations and lets the allowed arrows through", () => {
  assert.equal(judgeArrow(arrows, "cli/x.ts", "api/client.ts", false), null);
  assert.match(String(judgeArrow(arrows, "lib/x.ts", "api/client.ts", false)), /may not import/);
  assert.match(String(judgeArrow(arrows, "net/x.ts", "storage/y.ts", true)), /may not import/);
  assert.equal(judgeArrow(arrows, "engine/container/x.ts", "api/schemas/y.ts", true), null);
  assert.match(String(judgeArrow(arrows, "engine/container/x.ts", "api/schemas/y.ts", false)), /only types/);
  assert.match(
    String(judgeArrow(arrows, "engine/image/x.ts", "engine/container/y.ts", false)),
    /may not import/,
  );
  assert.match(String(judgeArrow(arrows, "net/port/x.ts", "net/dns/_y.ts", false)), /private file/);
});
