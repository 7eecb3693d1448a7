// The messages of BuildKit's control service and of its gateway, as far as they are understood here: what buildx, Compose
// and `docker build` speak on `/grpc`, and the progress that `POST /build` (version 2) streams.

import { boolean, bytes, integer, list, map, message, sub, text } from "../protobuf/message.ts";
import { stat } from "./session.ts";

export const CONTROL_METHODS = {
  diskUsage: "/moby.buildkit.v1.Control/DiskUsage",
  prune: "/moby.buildkit.v1.Control/Prune",
  solve: "/moby.buildkit.v1.Control/Solve",
  status: "/moby.buildkit.v1.Control/Status",
  session: "/moby.buildkit.v1.Control/Session",
  listWorkers: "/moby.buildkit.v1.Control/ListWorkers",
  info: "/moby.buildkit.v1.Control/Info",
  listenHistory: "/moby.buildkit.v1.Control/ListenBuildHistory",
  updateHistory: "/moby.buildkit.v1.Control/UpdateBuildHistory",
} as const;

export const GATEWAY_METHODS = {
  ping: "/moby.buildkit.v1.frontend.LLBBridge/Ping",
  solve: "/moby.buildkit.v1.frontend.LLBBridge/Solve",
  return: "/moby.buildkit.v1.frontend.LLBBridge/Return",
  inputs: "/moby.buildkit.v1.frontend.LLBBridge/Inputs",
  evaluate: "/moby.buildkit.v1.frontend.LLBBridge/Evaluate",
  warn: "/moby.buildkit.v1.frontend.LLBBridge/Warn",
  readFile: "/moby.buildkit.v1.frontend.LLBBridge/ReadFile",
  statFile: "/moby.buildkit.v1.frontend.LLBBridge/StatFile",
} as const;

/** Metadata of a session that is opened by a call. */
export const SESSION_HELLO_KEYS = {
  id: "x-docker-expose-session-uuid",
  sharedKey: "x-docker-expose-session-sharedkey",
  methods: "x-docker-expose-session-grpc-method",
} as const;

/** Metadata that says which build a gateway call belongs to. */
export const BUILD_ID_KEY = "buildkit-controlapi-buildid";

export const empty = message({});
export const timestamp = message({ seconds: integer(1), nanos: integer(2) });

export const platform = message({ architecture: text(1), os: text(2), variant: text(3) });
const gcPolicy = message({
  all: boolean(1),
  keepDuration: integer(2),
  reservedSpace: integer(3),
  filters: list(text(4)),
  maxUsedSpace: integer(5),
  minFreeSpace: integer(6),
});
const version = message({
  package: text(1),
  version: text(2),
  revision: text(3),
  dockerfileVersion: text(4),
});
const cdiDevice = message({
  name: text(1),
  isAutoAllowed: boolean(2),
  annotations: map(3, text(2)),
});
export const worker = message({
  id: text(1),
  labels: map(2, text(2)),
  platforms: list(sub(3, () => platform)),
  gcPolicy: list(sub(4, () => gcPolicy)),
  version: sub(5, () => version),
  devices: list(sub(6, () => cdiDevice)),
});
export const listWorkersResponse = message({ record: list(sub(1, () => worker)) });
export const infoResponse = message({ version: sub(1, () => version) });

export const usageRecord = message({
  id: text(1),
  isMutable: boolean(2),
  isInUse: boolean(3),
  size: integer(4),
  createdAt: sub(6, () => timestamp),
  lastUsedAt: sub(7, () => timestamp),
  usageCount: integer(8),
  description: text(9),
  recordType: text(10),
  isShared: boolean(11),
  parents: list(text(12)),
});
export const diskUsageRequest = message({ filter: list(text(1)), ageLimit: integer(2) });
export const diskUsageResponse = message({ record: list(sub(1, () => usageRecord)) });
export const pruneRequest = message({
  filter: list(text(1)),
  all: boolean(2),
  keepDuration: integer(3),
  reservedSpace: integer(4),
  maxUsedSpace: integer(5),
  minFreeSpace: integer(6),
});

const cacheEntry = message({ type: text(1), attrs: map(2, text(2)) });
const cacheOptions = message({
  exports: list(sub(4, () => cacheEntry)),
  imports: list(sub(5, () => cacheEntry)),
});
export const exporter = message({ type: text(1), attrs: map(2, text(2)) });
export const solveRequest = message({
  ref: text(1),
  definition: bytes(2),
  exporterType: text(3),
  exporterAttrs: map(4, text(2)),
  session: text(5),
  frontend: text(6),
  frontendAttrs: map(7, text(2)),
  cache: sub(8, () => cacheOptions),
  entitlements: list(text(9)),
  isInternal: boolean(11),
  exporters: list(sub(13, () => exporter)),
  /** The client's service that judges sources. */
  sourcePolicySession: text(15),
});
export const solveResponse = message({ exporterResponse: map(1, text(2)) });

export const statusRequest = message({ ref: text(1) });
export const vertex = message({
  digest: text(1),
  inputs: list(text(2)),
  name: text(3),
  isCached: boolean(4),
  started: sub(5, () => timestamp),
  completed: sub(6, () => timestamp),
  error: text(7),
});
export const vertexStatus = message({
  id: text(1),
  vertex: text(2),
  name: text(3),
  current: integer(4),
  total: integer(5),
  timestamp: sub(6, () => timestamp),
  started: sub(7, () => timestamp),
  completed: sub(8, () => timestamp),
});
export const vertexLog = message({
  vertex: text(1),
  timestamp: sub(2, () => timestamp),
  stream: integer(3),
  data: bytes(4),
});
const sourceInfo = message({ filename: text(1), data: bytes(2) });
const position = message({ line: integer(1), character: integer(2) });
const range = message({ start: sub(1, () => position), end: sub(2, () => position) });
export const vertexWarning = message({
  vertex: text(1),
  level: integer(2),
  short: bytes(3),
  detail: list(bytes(4)),
  url: text(5),
  info: sub(6, () => sourceInfo),
  ranges: list(sub(7, () => range)),
});
export const statusResponse = message({
  vertexes: list(sub(1, () => vertex)),
  statuses: list(sub(2, () => vertexStatus)),
  logs: list(sub(3, () => vertexLog)),
  warnings: list(sub(4, () => vertexWarning)),
});

const apiCap = message({ id: text(1), isEnabled: boolean(2) });
export const pongResponse = message({
  frontendCaps: list(sub(1, () => apiCap)),
  llbCaps: list(sub(2, () => apiCap)),
  workers: list(sub(3, () => worker)),
});
const ref = message({ id: text(1), definition: bytes(2) });
const refMap = message({
  refs: map(
    1,
    sub(2, () => ref),
  ),
});
export const result = message({
  ref: sub(3, () => ref),
  refs: sub(4, () => refMap),
  metadata: map(10, bytes(2)),
});
export const gatewaySolveRequest = message({
  definition: bytes(1),
  frontend: text(2),
  frontendOpt: map(3, text(2)),
  allowsResult: boolean(5),
  cacheImports: list(sub(12, () => cacheEntry)),
  /** Definitions by name. */
  frontendInputs: map(13, bytes(2)),
  evaluates: boolean(14),
});
const fileRange = message({ offset: integer(1), length: integer(2) });
export const readFileRequest = message({ ref: text(1), path: text(2), range: sub(3, () => fileRange) });
export const readFileResponse = message({ data: bytes(1) });
export const statFileRequest = message({ ref: text(1), path: text(2) });
export const statFileResponse = message({ stat: sub(1, () => stat) });
export const gatewaySolveResponse = message({ ref: text(1), result: sub(3, () => result) });
export const rpcStatus = message({ code: integer(1), message: text(2) });
export const returnRequest = message({ result: sub(1, () => result), error: sub(2, () => rpcStatus) });
