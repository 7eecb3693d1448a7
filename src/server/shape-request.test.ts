import assert from "node:assert/strict";
import { test } from "node:test";
import { shapeRequest } from "./shape-request.ts";

test("shapeRequest drops fields that are younger than the client's version, and only those", () => {
  const input = { name: "a", body: { Image: "x", Healthcheck: { Interval: 1, StartInterval: 2 } } };
  assert.deepEqual(shapeRequest("ContainerCreate", "1.43", input), {
    name: "a",
    body: { Image: "x", Healthcheck: { Interval: 1 } },
  });
  assert.equal(shapeRequest("ContainerCreate", "1.44", input), input);
  assert.equal(shapeRequest("ContainerStart", "1.24", input), input);
  assert.deepEqual(shapeRequest("ContainerCreate", "1.41", { body: { Healthcheck: null } }), {
    body: { Healthcheck: null },
  });
});
