// Hooks before the start as create requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ProjectDirectory } from "../load/project.fake.ts";
import { preStartRequest } from "./pre-start.ts";

const directory = new ProjectDirectory();

test("a hook has the service's networks, environment and volumes, and its labels are not those of a service's container", async () => {
  const project = await directory.load(`services:
  a:
    image: i
    command: [serve]
    user: web
    environment: {A: 1, B: 2}
    networks: {n: {aliases: [x]}}
    pre_start: [{image: tool, command: [init], environment: {B: 3}, working_dir: /w, privileged: true}, {command: [more]}]
networks: {n: {}}
`);
  const service = project.services["a"];
  const [hook, other] = service?.pre_start ?? [];
  assert.ok(service && hook && other);
  const { body, networking } = preStartRequest(project, service, hook, { volumesFrom: "id", version: "9" });
  assert.deepEqual(body, {
    Image: "tool",
    Cmd: ["init"],
    User: "",
    WorkingDir: "/w",
    Env: ["A=1", "B=2", "B=3"],
    Labels: {
      "com.docker.compose.project": "p",
      "com.docker.compose.service": "a",
      "com.docker.compose.version": "9",
      "com.docker.compose.hook": "pre_start",
    },
    HostConfig: { Privileged: true, VolumesFrom: ["id"], NetworkMode: "p_n" },
  });
  assert.deepEqual(networking.endpoints, { p_n: { Aliases: ["a", "x"] } });
  assert.equal(preStartRequest(project, service, other, { volumesFrom: "id", version: "9" }).body.Image, "i");
});
