// The container operations of the Engine API, archive and commit included.

import {
  bytes,
  bytesBody,
  created,
  empty,
  HIJACK,
  json,
  jsonBody,
  lines,
  OUTPUT,
  operation,
  optionalJsonBody,
} from "../contract.ts";

const schemas = () => import("../schemas/container.ts");
const hostConfigs = () => import("../schemas/host-config.ts");

export const containerList = operation({
  name: "ContainerList",
  method: "GET",
  path: "/containers/json",
  query: { all: "bool", limit: "int", size: "bool", filters: "filters" },
  success: json(async () => (await schemas()).containerSummaries),
});

export const containerCreate = operation({
  name: "ContainerCreate",
  method: "POST",
  path: "/containers/create",
  query: { name: "text", platform: "text" },
  body: jsonBody(async () => (await schemas()).containerCreateRequest),
  success: { ...created(async () => (await schemas()).containerCreateResponse), upgrade: "run" },
  errors: [404, 409],
});

export const containerInspect = operation({
  name: "ContainerInspect",
  method: "GET",
  path: "/containers/{id}/json",
  query: { size: "bool" },
  success: json(async () => (await schemas()).containerInspect),
  errors: [404],
});

export const containerTop = operation({
  name: "ContainerTop",
  method: "GET",
  path: "/containers/{id}/top",
  query: { psArgs: { kind: "text", wire: "ps_args" } },
  success: json(async () => (await schemas()).containerTop),
  errors: [404, 409],
});

export const containerLogs = operation({
  name: "ContainerLogs",
  method: "GET",
  path: "/containers/{id}/logs",
  query: {
    follow: "bool",
    stdout: "bool",
    stderr: "bool",
    /** Unix seconds, optionally with a fraction of nine digits. */
    since: "text",
    until: "text",
    timestamps: "bool",
    details: "bool",
    /** Number of lines, or "all". */
    tail: "text",
  },
  success: OUTPUT,
  errors: [404, 409],
});

export const containerChanges = operation({
  name: "ContainerChanges",
  method: "GET",
  path: "/containers/{id}/changes",
  success: json(async () => (await schemas()).filesystemChanges),
  errors: [404],
});

export const containerExport = operation({
  name: "ContainerExport",
  method: "GET",
  path: "/containers/{id}/export",
  success: bytes("application/octet-stream"),
  errors: [404],
});

export const containerStats = operation({
  name: "ContainerStats",
  method: "GET",
  path: "/containers/{id}/stats",
  query: { stream: "boolTrue", oneShot: { kind: "bool", wire: "one-shot", since: "1.41" } },
  success: lines(async () => (await import("../schemas/stats.ts")).containerStats),
  errors: [404],
});

export const containerResize = operation({
  name: "ContainerResize",
  method: "POST",
  path: "/containers/{id}/resize",
  query: { height: { kind: "size", wire: "h" }, width: { kind: "size", wire: "w" } },
  success: empty(200),
  errors: [404, 409],
});

export const containerStart = operation({
  name: "ContainerStart",
  method: "POST",
  path: "/containers/{id}/start",
  query: { detachKeys: "text", checkpoint: "text", checkpointDir: { kind: "text", wire: "checkpoint-dir" } },
  refusesBody:
    "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
  success: empty(204),
  errors: [304, 404, 409],
});

export const containerCheckpoint = operation({
  name: "ContainerCheckpoint",
  method: "POST",
  path: "/containers/{id}/checkpoints",
  body: jsonBody(async () => (await schemas()).checkpointCreateRequest),
  success: empty(201),
  errors: [404, 409],
});

export const containerCheckpoints = operation({
  name: "ContainerCheckpoints",
  method: "GET",
  path: "/containers/{id}/checkpoints",
  query: { dir: "text" },
  success: json(async () => (await schemas()).checkpoints),
  errors: [404],
});

export const containerCheckpointDelete = operation({
  name: "ContainerCheckpointDelete",
  method: "DELETE",
  path: "/containers/{id}/checkpoints/{checkpoint}",
  query: { dir: "text" },
  success: empty(204),
  errors: [404],
});

export const containerStop = operation({
  name: "ContainerStop",
  method: "POST",
  path: "/containers/{id}/stop",
  query: {
    signal: { kind: "text", wire: "signal", since: "1.42" },
    /** -1 waits for ever. */
    timeoutSeconds: { kind: "int", wire: "t" },
  },
  success: empty(204),
  errors: [304, 404],
});

export const containerRestart = operation({
  name: "ContainerRestart",
  method: "POST",
  path: "/containers/{id}/restart",
  query: {
    signal: { kind: "text", wire: "signal", since: "1.42" },
    timeoutSeconds: { kind: "int", wire: "t" },
  },
  success: empty(204),
  errors: [404],
});

export const containerKill = operation({
  name: "ContainerKill",
  method: "POST",
  path: "/containers/{id}/kill",
  query: { signal: "text" },
  success: empty(204),
  errors: [404, 409],
});

export const containerUpdate = operation({
  name: "ContainerUpdate",
  method: "POST",
  path: "/containers/{id}/update",
  body: jsonBody(async () => (await hostConfigs()).updateConfig),
  success: json(async () => (await schemas()).containerUpdateResponse),
  errors: [404, 409],
});

export const containerRename = operation({
  name: "ContainerRename",
  method: "POST",
  path: "/containers/{id}/rename",
  query: { name: "text" },
  success: empty(204),
  errors: [404, 409],
});

/** Not Docker's: takes the published ports of another container over without a moment in which none has them. */
export const containerTakePorts = operation({
  name: "ContainerTakePorts",
  method: "POST",
  path: "/containers/{id}/take-ports",
  query: { from: "text" },
  success: empty(204),
  errors: [404, 409],
});

export const containerPause = operation({
  name: "ContainerPause",
  method: "POST",
  path: "/containers/{id}/pause",
  success: empty(204),
  errors: [404, 409],
});

export const containerUnpause = operation({
  name: "ContainerUnpause",
  method: "POST",
  path: "/containers/{id}/unpause",
  success: empty(204),
  errors: [404, 409],
});

const attachQuery = {
  detachKeys: "text",
  logs: "bool",
  stream: "bool",
  stdin: "bool",
  stdout: "bool",
  stderr: "bool",
} as const;

export const containerAttach = operation({
  name: "ContainerAttach",
  method: "POST",
  path: "/containers/{id}/attach",
  query: attachQuery,
  success: { ...HIJACK, failsAsText: true },
  errors: [404, 409],
});

export const containerAttachWebsocket = operation({
  name: "ContainerAttachWebsocket",
  method: "GET",
  path: "/containers/{id}/attach/ws",
  query: attachQuery,
  success: { ...HIJACK, isWebsocket: true },
  errors: [404, 409],
});

export const containerWait = operation({
  name: "ContainerWait",
  method: "POST",
  path: "/containers/{id}/wait",
  /** not-running (default), next-exit or removed. */
  query: { condition: "text" },
  success: json(async () => (await schemas()).containerWait),
  errors: [404],
});

export const containerDelete = operation({
  name: "ContainerDelete",
  method: "DELETE",
  path: "/containers/{id}",
  query: {
    volumes: { kind: "bool", wire: "v" },
    force: "bool",
    link: "bool",
  },
  success: empty(204),
  errors: [404, 409],
});

export const containerArchiveInfo = operation({
  name: "ContainerArchiveInfo",
  method: "HEAD",
  path: "/containers/{id}/archive",
  query: { path: "text" },
  success: {
    kind: "header",
    status: 200,
    header: "X-Docker-Container-Path-Stat",
    schema: async () => (await schemas()).pathStat,
  },
  errors: [404],
});

export const containerArchive = operation({
  name: "ContainerArchive",
  method: "GET",
  path: "/containers/{id}/archive",
  query: { path: "text" },
  success: bytes(),
  errors: [404],
});

export const putContainerArchive = operation({
  name: "PutContainerArchive",
  method: "PUT",
  path: "/containers/{id}/archive",
  query: { path: "text", noOverwriteDirNonDir: "bool", copyUIDGID: "bool" },
  body: bytesBody(),
  success: empty(200),
  errors: [403, 404],
});

export const containerPrune = operation({
  name: "ContainerPrune",
  method: "POST",
  path: "/containers/prune",
  since: "1.25",
  query: { filters: "filters" },
  success: json(async () => (await schemas()).containersPrune),
  errors: [409],
});

export const imageCommit = operation({
  name: "ImageCommit",
  method: "POST",
  path: "/commit",
  query: {
    container: "text",
    repo: "text",
    tag: "text",
    comment: "text",
    author: "text",
    pause: "boolTrue",
    /** Dockerfile instructions, each possibly several lines. */
    changes: "texts",
  },
  body: optionalJsonBody(async () => (await schemas()).containerConfig),
  success: created(async () => (await schemas()).commitResponse),
  errors: [404, 409],
});
