// Lines of progress streams (pull, push, load, import, build), as the Docker client's JSON message stream.

import { anyValue, bool, int, int64, type Output, optional, struct, text } from "../../lib/schema/schema.ts";

export const progressDetail = struct("jsonstream.Progress", {
  /** Bytes, or whatever `units` names. */
  current: optional(int64),
  total: optional(int64),
  start: optional(int64),
  hidecounts: optional(bool),
  units: optional(text),
});

export const progressLine = struct("jsonstream.Message", {
  /** Text printed as it is (build output). */
  stream: optional(text),
  status: optional(text),
  progressDetail: optional(progressDetail),
  /** Progress bar as text, for clients that draw none. */
  progress: optional(text),
  /** What the line is about: layers are redrawn in place by id. */
  id: optional(text),
  /** Message, repeated for old clients; the server adds it when a stream fails. */
  error: optional(text),
  errorDetail: optional(struct("jsonstream.Error", { code: optional(int), message: text })),
  /** Machine-readable results: {"ID": imageId}, {"Tag","Digest","Size"}. */
  aux: optional(anyValue),
});

export type ProgressLine = Output<typeof progressLine>;
export type ProgressDetail = Output<typeof progressDetail>;
