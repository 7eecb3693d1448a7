// The exec operations: a further process in a running container.

import { created, empty, HIJACK, json, jsonBody, operation, optionalJsonBody } from "../contract.ts";

const schemas = () => import("../schemas/exec.ts");

export const containerExec = operation({
  name: "ContainerExec",
  method: "POST",
  path: "/containers/{id}/exec",
  body: jsonBody(async () => (await schemas()).execCreateRequest),
  success: { ...created(async () => (await schemas()).execCreateResponse), upgrade: "exec" },
  errors: [404, 409],
});

/** Hijacks unless the body says Detach; then it answers 200 with an empty body. */
export const execStart = operation({
  name: "ExecStart",
  method: "POST",
  path: "/exec/{id}/start",
  body: optionalJsonBody(async () => (await schemas()).execStartRequest),
  success: HIJACK,
  errors: [404, 409],
});

export const execResize = operation({
  name: "ExecResize",
  method: "POST",
  path: "/exec/{id}/resize",
  query: { height: { kind: "size", wire: "h" }, width: { kind: "size", wire: "w" } },
  success: empty(200),
  errors: [404],
});

export const execInspect = operation({
  name: "ExecInspect",
  method: "GET",
  path: "/exec/{id}/json",
  success: json(async () => (await schemas()).execInspect),
  errors: [404],
});
