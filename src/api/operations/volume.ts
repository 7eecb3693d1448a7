// The volume operations of the Engine API.

import {
  bytes,
  bytesBody,
  created,
  empty,
  json,
  jsonBody,
  lines,
  operation,
  optionalJsonBody,
} from "../contract.ts";

const schemas = () => import("../schemas/volume.ts");

export const volumeList = operation({
  name: "VolumeList",
  method: "GET",
  path: "/volumes",
  query: {
    filters: { kind: "filters", wire: "filters", complaint: "error reading volume filters" },
  },
  success: json(async () => (await schemas()).volumeList),
});

export const volumeCreate = operation({
  name: "VolumeCreate",
  method: "POST",
  path: "/volumes/create",
  body: jsonBody(async () => (await schemas()).volumeCreateRequest),
  success: created(async () => (await schemas()).volume),
  errors: [409],
});

export const volumeInspect = operation({
  name: "VolumeInspect",
  method: "GET",
  path: "/volumes/{name}",
  success: json(async () => (await schemas()).volume),
  errors: [404],
});

/** Cluster volumes only. */
export const volumeUpdate = operation({
  name: "VolumeUpdate",
  method: "PUT",
  path: "/volumes/{name}",
  since: "1.42",
  query: { version: "text" },
  body: optionalJsonBody(async () => (await schemas()).volumeUpdateRequest),
  success: empty(200),
  errors: [404],
});

export const volumeDelete = operation({
  name: "VolumeDelete",
  method: "DELETE",
  path: "/volumes/{name}",
  query: { force: "bool" },
  success: empty(204),
  errors: [404, 409],
});

export const volumePrune = operation({
  name: "VolumePrune",
  method: "POST",
  path: "/volumes/prune",
  since: "1.25",
  query: { filters: "filters" },
  success: json(async () => (await schemas()).volumesPrune),
  errors: [409],
});

// What follows is not Docker's: volumes as archives, and copies of them. With `pause` the running containers that use the volume stand
// still meanwhile. Copies tell how far they are; the last line has what was made (`aux`).

const progressLine = async () => (await import("../schemas/progress.ts")).progressLine;

export const volumeExport = operation({
  name: "VolumeExport",
  method: "GET",
  path: "/volumes/{name}/archive",
  query: { pause: "bool" },
  success: bytes(),
  errors: [404],
});

export const volumeImport = operation({
  name: "VolumeImport",
  method: "PUT",
  path: "/volumes/{name}/archive",
  body: bytesBody(),
  success: empty(200),
  errors: [404],
});

export const volumeClone = operation({
  name: "VolumeClone",
  method: "POST",
  path: "/volumes/{name}/clone",
  /** `to` is the new volume's name, `snapshot` that of what is to be in it. */
  query: { to: "text", snapshot: "text", pause: "bool" },
  success: lines(progressLine),
  errors: [404, 409],
});

export const volumeSnapshotCreate = operation({
  name: "VolumeSnapshotCreate",
  method: "POST",
  path: "/volumes/{name}/snapshots",
  /** The snapshot's name; the time when absent. */
  query: { snapshot: "text", pause: "bool" },
  success: lines(progressLine),
  errors: [404, 409],
});

export const volumeSnapshotDelete = operation({
  name: "VolumeSnapshotDelete",
  method: "DELETE",
  path: "/volumes/{name}/snapshots",
  query: { snapshot: "text" },
  success: empty(204),
  errors: [404, 409],
});

/** The volume must not be mounted. */
export const volumeSnapshotRestore = operation({
  name: "VolumeSnapshotRestore",
  method: "POST",
  path: "/volumes/{name}/snapshots/restore",
  query: { snapshot: "text" },
  success: lines(progressLine),
  errors: [404, 409],
});
