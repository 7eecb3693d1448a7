// Requests and responses of the exec operations.

import {
  bool,
  type Input,
  int,
  list,
  nullable,
  type Output,
  optional,
  struct,
  text,
} from "../../lib/schema/schema.ts";
import { consoleSize } from "./host-config.ts";

export const execCreateRequest = struct("container.ExecCreateRequest", {
  User: text,
  Privileged: bool,
  Tty: bool,
  /** [height, width]. */
  ConsoleSize: optional(consoleSize),
  AttachStdin: bool,
  AttachStderr: bool,
  AttachStdout: bool,
  /** Accepted for old clients; detaching is said at start. */
  Detach: optional(bool),
  DetachKeys: text,
  Env: list(text),
  WorkingDir: text,
  Cmd: list(text),
});

export const execCreateResponse = struct("container.ExecCreateResponse", { Id: text });

export const execStartRequest = struct("container.ExecStartRequest", {
  Detach: bool,
  Tty: bool,
  ConsoleSize: optional(consoleSize),
  /** Not Docker's: the last frame of the stream says the exit code, which otherwise takes one more request. Without a terminal only. */
  ExitFrame: optional(bool),
});

export const execInspect = struct("container.ExecInspectResponse", {
  ID: text,
  Running: bool,
  /** null while running. */
  ExitCode: nullable(int),
  ProcessConfig: struct("container.ExecProcessConfig", {
    tty: bool,
    entrypoint: text,
    arguments: list(text),
    privileged: optional(bool),
    user: optional(text),
  }),
  OpenStdin: bool,
  OpenStderr: bool,
  OpenStdout: bool,
  CanRemove: bool,
  ContainerID: text,
  DetachKeys: text,
  Pid: int,
});

export type ExecCreateRequest = Input<typeof execCreateRequest>;
export type ExecCreateResponse = Output<typeof execCreateResponse>;
export type ExecStartRequest = Input<typeof execStartRequest>;
export type ExecInspect = Output<typeof execInspect>;
