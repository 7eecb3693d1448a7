import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { ProjectDirectory } from "../load/project.fake.ts";
import type { Service } from "../model/project.ts";
import { withPlace } from "./place.ts";

const directory = new ProjectDirectory();

test("what an engine refuses is told with the place where it is written, by its longest value", async () => {
  const project = await directory.load(`services:
  a:
    image: i
    stop_signal: NOPE
    cap_add:
      - CHOWN
      - NOTHING
    pid: nowhere
    sysctls: {a.b: nowhere else}
`);
  const service = project.services["a"] as Service;
  const told = (message: string, kind: "invalidParameter" | "conflict" = "invalidParameter"): string =>
    (withPlace(new Fault(kind, message), project, service) as Fault).message.replace(
      `${directory.path}/`,
      "",
    );
  for (const [message, place] of [
    ["Invalid signal: NOPE", "compose.yaml:4:18: services.a.stop_signal"],
    ['invalid capability: "CAP_NOTHING"', "compose.yaml:7:9: services.a.cap_add.1"],
    ["invalid PID mode: nowhere", "compose.yaml:8:10: services.a.pid"],
    ["a.b cannot be nowhere else", "compose.yaml:9:20: services.a.sysctls.a.b"],
  ] as const)
    assert.equal(told(message), `${message} (${place})`);
  assert.equal(told("something with NOPES and unnowhere"), "something with NOPES and unnowhere");
  assert.equal(told("NOPE", "conflict"), "NOPE");
});
