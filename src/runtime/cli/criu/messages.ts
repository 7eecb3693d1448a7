// What criu's service is asked and answers (its images/rpc.proto, proto2), as far as it is used here.

import { boolean, explicit, integer, list, message, sub, text } from "../../../lib/protobuf/message.ts";

/** criu_req_type */
export const REQUEST = { dump: 1, restore: 2, preDump: 4, featureCheck: 9, version: 10 } as const;

/** criu_cg_mode: how much of the container's cgroups criu restores itself. */
export const CGROUPS_MODE = { ignore: 0, soft: 3, full: 4, strict: 5, default: 6 } as const;

const pageServer = message({ address: text(1), port: integer(2) });
const mapping = message({ key: text(1), val: text(2) });
const inherited = message({ key: text(1), fd: explicit(integer(2)) });
const joined = message({ ns: text(1), file: text(2) });
const cgroupRoot = message({ controller: text(1), path: explicit(text(2)) });

/** criu_opts */
const options = message({
  imagesDirFd: integer(1),
  pid: integer(2),
  leaveRunning: boolean(3),
  extUnixSk: boolean(4),
  tcpEstablished: boolean(5),
  evasiveDevices: boolean(6),
  shellJob: boolean(7),
  fileLocks: boolean(8),
  logLevel: integer(9),
  logFile: text(10),
  pageServer: sub(11, () => pageServer),
  notifyScripts: boolean(12),
  root: text(13),
  parentImage: text(14),
  trackMem: boolean(15),
  autoDedup: boolean(16),
  workDirFd: integer(17),
  linkRemap: boolean(18),
  externalMounts: list(sub(23, () => mapping)),
  cgroupRoots: list(sub(25, () => cgroupRoot)),
  restoreSibling: boolean(26),
  inheritedFds: list(sub(27, () => inherited)),
  manageCgroupsMode: explicit(integer(34)),
  external: list(text(37)),
  emptyNamespaces: integer(38),
  joinedNamespaces: list(sub(39, () => joined)),
  freezeCgroup: text(44),
  tcpSkipInFlight: boolean(46),
  lazyPages: boolean(48),
  orphanPtsMaster: boolean(50),
  configFile: text(51),
  lsmProfile: text(53),
  lsmMountContext: text(63),
});
export type CriuOptions = Parameters<typeof options.encode>[0];

const features = message({ memoryTracking: boolean(1), lazyPages: boolean(2) });
const version = message({ major: integer(1), minor: integer(2) });

export const criuRequest = message({
  type: integer(1),
  options: sub(2, () => options),
  features: sub(5, () => features),
});

export const criuAnswer = message({
  type: integer(1),
  features: sub(8, () => features),
  version: sub(10, () => version),
});
