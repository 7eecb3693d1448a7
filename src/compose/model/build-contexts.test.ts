// Services whose images other builds need.

import assert from "node:assert/strict";
import { test } from "node:test";
import { contextServicesOf, withContextServices } from "./build-contexts.ts";
import type { Service } from "./project.ts";

const service = (name: string, ...contexts: string[]): Service =>
  ({
    name,
    build: { additional_contexts: Object.fromEntries(contexts.map((c, i) => [`c${i}`, c])) },
  }) as unknown as Service;
const project = (...services: Service[]) => ({
  services: Object.fromEntries(services.slice(0, 1).map((s) => [s.name, s])),
  disabled: Object.fromEntries(services.slice(1).map((s) => [s.name, s])),
});
const named = (services: readonly Service[]): string[] => services.map(({ name }) => name);

test("come before those that need them, once, whether or not they take part", () => {
  const web = service("web", "service:lib", "./files", "service:base");
  const all = project(web, service("lib", "service:base"), service("base"), service("other"));
  assert.deepEqual(contextServicesOf(web), ["base", "lib"]);
  assert.deepEqual(named(withContextServices(all, [web])), ["base", "lib", "web"]);
});

test("that need each other are refused", () => {
  const a = service("a", "service:b");
  assert.throws(
    () => withContextServices(project(a, service("b", "service:c"), service("c", "service:b")), [a]),
    {
      message: "builds need each other: b -> c -> b",
    },
  );
});
