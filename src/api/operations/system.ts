// The system operations: ping, version, info, events, disk usage, registry login and look-up.

import { json, lines, operation, optionalJsonBody } from "../contract.ts";

const schemas = () => import("../schemas/system.ts");

export const systemPing = operation({
  name: "SystemPing",
  method: "GET",
  path: "/_ping",
  success: { kind: "text", status: 200 },
});

export const systemPingHead = operation({
  name: "SystemPingHead",
  method: "HEAD",
  path: "/_ping",
  success: { kind: "text", status: 200 },
});

export const systemVersion = operation({
  name: "SystemVersion",
  method: "GET",
  path: "/version",
  success: json(async () => (await schemas()).systemVersion),
});

export const systemInfo = operation({
  name: "SystemInfo",
  method: "GET",
  path: "/info",
  success: json(async () => (await schemas()).systemInfo),
});

export const systemEvents = operation({
  name: "SystemEvents",
  method: "GET",
  path: "/events",
  /** since, until: Unix seconds with an optional fraction of nine digits; after: an event's number, an extension. */
  query: { since: "text", until: "text", after: "int", filters: "filters" },
  success: { ...lines(async () => (await schemas()).eventMessage), exact: ["timeNano"] },
});

export const systemDataUsage = operation({
  name: "SystemDataUsage",
  method: "GET",
  path: "/system/df",
  query: {
    /** container, image, volume, build-cache; [] is all. */
    types: { kind: "texts", wire: "type", since: "1.42" },
    verbose: { kind: "bool", wire: "verbose", since: "1.52" },
  },
  success: json(async () => (await schemas()).diskUsage),
});

/** Compares what images consist of with its digests; an extension. */
export const systemCheck = operation({
  name: "SystemCheck",
  method: "POST",
  path: "/system/check",
  /** repair: remove what is damaged. */
  query: { repair: "bool" },
  success: json(async () => (await schemas()).systemCheck),
});

export const systemAuth = operation({
  name: "SystemAuth",
  method: "POST",
  path: "/auth",
  body: optionalJsonBody(async () => (await schemas()).authConfig),
  success: json(async () => (await schemas()).authResponse),
  errors: [401],
});

export const distributionInspect = operation({
  name: "DistributionInspect",
  method: "GET",
  path: "/distribution/{name}/json",
  since: "1.30",
  headers: { registryAuth: { kind: "auth", wire: "X-Registry-Auth" } },
  success: json(async () => (await import("../schemas/image.ts")).distributionInspect),
  errors: [401, 403],
});
