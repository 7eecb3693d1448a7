import assert from "node:assert/strict";
import { test } from "node:test";
import type { Service } from "../model/project.ts";
import { isMeant, targetOf, watchRules } from "./rules.ts";

const service = (trigger: object, build = true): Service => ({
  name: "web",
  ...(build ? { build: { context: "/app" } } : {}),
  develop: { watch: [{ path: "/app/src", action: "sync", target: "/code", ...trigger }] },
});

const meant = (trigger: object, contextIgnore: readonly string[], paths: readonly string[]): string[] => {
  const [rule] = watchRules(service(trigger), contextIgnore);
  assert.ok(rule);
  return paths.filter((path) => isMeant(rule, path));
};

test("a rule means what is below its path, without what is ignored", () => {
  const paths = [
    "/app/src/a.ts",
    "/app/src/sub/b.ts",
    "/app/other",
    "/app/src/node_modules/x",
    "/app/src/.git/HEAD",
  ];
  assert.deepEqual(meant({ ignore: ["node_modules/"] }, [], paths), ["/app/src/a.ts", "/app/src/sub/b.ts"]);
});

test("the context's .dockerignore holds for the rule's part of the context", () => {
  const paths = ["/app/src/a.log", "/app/src/gen/x", "/app/src/a.ts"];
  assert.deepEqual(meant({}, ["**/*.log", "src/gen", "docs"], paths), ["/app/src/a.ts"]);
});

test("with include only what is included is meant", () => {
  assert.deepEqual(meant({ include: ["*.ts"] }, [], ["/app/src/a.ts", "/app/src/a.css"]), ["/app/src/a.ts"]);
});

test("a path keeps its place below the target", () => {
  const [rule] = watchRules(service({}), []);
  assert.ok(rule);
  assert.equal(targetOf(rule, "/app/src/sub/b.ts"), "/code/sub/b.ts");
  assert.equal(targetOf(rule, "/app/src"), "/code");
});
