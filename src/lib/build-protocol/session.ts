// The messages of BuildKit's session services, by which a client gives a build what only its machine has.

import { boolean, bytes, integer, map, message, sub, text } from "../protobuf/message.ts";

export const SESSION_METHODS = {
  diffCopy: "/moby.filesync.v1.FileSync/DiffCopy",
  sendFile: "/moby.filesync.v1.FileSend/DiffCopy",
  getSecret: "/moby.buildkit.secrets.v1.Secrets/GetSecret",
  checkAgent: "/moby.sshforward.v1.SSH/CheckAgent",
  forwardAgent: "/moby.sshforward.v1.SSH/ForwardAgent",
  credentials: "/moby.filesync.v1.Auth/Credentials",
  pull: "/moby.upload.v1.Upload/Pull",
  /** Berth's own: the user's terminal, for a shell where a step has failed. */
  debugShell: "/berth.build.Debug/Shell",
  health: "/grpc.health.v1.Health/Check",
} as const;

/** Metadata of FileSync, FileSend, ForwardAgent and Upload calls. */
export const SESSION_KEYS = {
  include: "include-patterns",
  exclude: "exclude-patterns",
  follow: "followpaths",
  directory: "dir-name",
  exporter: "buildkit-attachable-exporter-id",
  agent: "buildkit.ssh.id",
  urlPath: "urlpath",
  failure: "berth-failure",
} as const;

export const PACKET = { stat: 0, request: 1, data: 2, end: 3, error: 4 } as const;

export const stat = message({
  path: text(1),
  mode: integer(2),
  uid: integer(3),
  gid: integer(4),
  size: integer(5),
  /** Nanoseconds since the epoch. */
  modTime: integer(6),
  linkName: text(7),
  devMajor: integer(8),
  devMinor: integer(9),
  xattrs: map(10, bytes(2)),
});

/** One message of a file transfer (fsutil). */
export const packet = message({ type: integer(1), stat: sub(2, () => stat), id: integer(3), data: bytes(4) });
export const bytesMessage = message({ data: bytes(1) });
export const secretRequest = message({ id: text(1) });
export const secretResponse = message({ data: bytes(1) });
export const agentRequest = message({ id: text(1) });
export const credentialsRequest = message({ host: text(1) });
export const credentialsResponse = message({ username: text(1), secret: text(2) });
/** From the user: first what the terminal is, then what is typed, its end, and new sizes. */
export const terminalInput = message({
  data: bytes(1),
  isOver: boolean(2),
  isTty: boolean(3),
  rows: integer(4),
  columns: integer(5),
});
export const empty = message({});
export const healthResponse = message({ status: integer(1) });
