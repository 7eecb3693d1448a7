import assert from "node:assert/strict";
import { test } from "node:test";
import type { ArgumentsOf, InputOf, ResultOf } from "./contract.ts";
import type { imageBuild } from "./operations/build.ts";
import type { containerCreate, containerList, containerStop } from "./operations/container.ts";
import type { ContainerCreateRequest } from "./schemas/container.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function typed<T extends true>(): T | undefined {
  return undefined;
}

test("input types come from the declaration", () => {
  typed<
    Equal<
      InputOf<typeof containerStop>,
      {
        readonly id: string;
        readonly signal: string | undefined;
        readonly timeoutSeconds: number | undefined;
      }
    >
  >();
  typed<Equal<InputOf<typeof containerCreate>["body"], ContainerCreateRequest>>();
  typed<Equal<ResultOf<typeof containerStop>, undefined>>();
  typed<Equal<ResultOf<typeof containerList>[number]["Names"], string[]>>();
  typed<Equal<InputOf<typeof imageBuild>["tags"], readonly string[]>>();
  const args: ArgumentsOf<typeof containerStop> = { id: "x" };
  const create: ArgumentsOf<typeof containerCreate> = {
    body: { Cmd: ["true"], HostConfig: { Memory: 1, PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } },
  };
  // @ts-expect-error: the body is required
  const bad: ArgumentsOf<typeof containerCreate> = {};
  assert.ok(args.id === "x" && create.body.Cmd?.length === 1 && bad);
});
