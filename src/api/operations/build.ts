// The builder operations.

import { bytesBody, empty, HIJACK, json, lines, operation } from "../contract.ts";

export const imageBuild = operation({
  name: "ImageBuild",
  method: "POST",
  path: "/build",
  query: {
    /** Path inside the context. */
    dockerfile: "text",
    tags: { kind: "texts", wire: "t" },
    extraHosts: { kind: "texts", wire: "extrahosts" },
    /** Git or HTTP URL in place of the body; "client-session" for BuildKit. */
    remote: "text",
    quiet: { kind: "bool", wire: "q" },
    noCache: { kind: "bool", wire: "nocache" },
    cacheFrom: { kind: "jsonTexts", wire: "cachefrom" },
    pull: "bool",
    remove: { kind: "boolTrue", wire: "rm" },
    forceRemove: { kind: "bool", wire: "forcerm" },
    memory: "intOrZero",
    memorySwap: { kind: "intOrZero", wire: "memswap" },
    cpuShares: { kind: "intOrZero", wire: "cpushares" },
    cpusetCpus: { kind: "text", wire: "cpusetcpus" },
    cpusetMems: { kind: "text", wire: "cpusetmems" },
    cpuPeriod: { kind: "intOrZero", wire: "cpuperiod" },
    cpuQuota: { kind: "intOrZero", wire: "cpuquota" },
    cgroupParent: { kind: "text", wire: "cgroupparent" },
    /** null: the variable is named but has no value. */
    buildArgs: { kind: "jsonNullableTextMap", wire: "buildargs" },
    shmSize: { kind: "int", wire: "shmsize" },
    ulimits: "json",
    squash: "bool",
    labels: "jsonTextMap",
    networkMode: { kind: "text", wire: "networkmode" },
    securityOpt: { kind: "texts", wire: "securityopt" },
    isolation: "text",
    platform: { kind: "text", wire: "platform", since: "1.32" },
    target: "text",
    outputs: { kind: "json", wire: "outputs", since: "1.40" },
    /** "1" classic, "2" BuildKit. */
    version: "text",
    session: "text",
    buildId: { kind: "text", wire: "buildid" },
  },
  headers: { registryConfig: { kind: "authMap", wire: "X-Registry-Config" } },
  body: bytesBody(),
  success: lines(async () => (await import("../schemas/progress.ts")).progressLine),
});

export const buildPrune = operation({
  name: "BuildPrune",
  method: "POST",
  path: "/build/prune",
  since: "1.31",
  query: {
    reservedSpace: { kind: "int", wire: "reserved-space", since: "1.48" },
    keepStorage: { kind: "int", wire: "keep-storage" },
    maxUsedSpace: { kind: "int", wire: "max-used-space", since: "1.48" },
    minFreeSpace: { kind: "int", wire: "min-free-space", since: "1.48" },
    all: "bool",
    filters: "filters",
  },
  success: json(async () => (await import("../schemas/build.ts")).buildPrune),
});

export const buildCancel = operation({
  name: "BuildCancel",
  method: "POST",
  path: "/build/cancel",
  query: { id: "text" },
  success: empty(200),
});

/** Opens a session: the client serves gRPC on the connection, the daemon calls (lib/build-protocol/session.ts). */
export const buildSession = operation({
  name: "Session",
  method: "POST",
  path: "/session",
  since: "1.31",
  headers: {
    uuid: { kind: "text", wire: "X-Docker-Expose-Session-Uuid" },
    sessionName: { kind: "text", wire: "X-Docker-Expose-Session-Name" },
    sharedKey: { kind: "text", wire: "X-Docker-Expose-Session-Sharedkey" },
    methods: { kind: "texts", wire: "X-Docker-Expose-Session-Grpc-Method" },
    upgrade: { kind: "text", wire: "Upgrade" },
  },
  success: { ...HIJACK, protocol: "h2c" },
});

/** BuildKit's control service, over the connection (lib/build-protocol/control.ts). */
export const buildControl = operation({
  name: "BuildControl",
  method: "POST",
  path: "/grpc",
  headers: { upgrade: { kind: "text", wire: "Upgrade" } },
  success: { ...HIJACK, protocol: "h2c" },
});
