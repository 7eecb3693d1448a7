// The messages of containerd's content service, which clients offer on their session for directories of theirs that are OCI
// layouts: caches (`type=local`) and images (`oci-layout://`). Metadata says which directory is meant.

import { bytes, integer, map, message, sub, text } from "../protobuf/message.ts";

export const CONTENT_METHODS = {
  info: "/containerd.services.content.v1.Content/Info",
  read: "/containerd.services.content.v1.Content/Read",
  write: "/containerd.services.content.v1.Content/Write",
} as const;

/** Metadata that names the directory. */
export const CONTENT_STORE_KEY = "buildkit-attachable-store-id";

/** Steps of a write. */
export const WRITE_ACTION = { stat: 0, write: 1, commit: 2 } as const;

const info = message({ digest: text(1), size: integer(2), labels: map(5, text(2)) });
export const infoRequest = message({ digest: text(1) });
export const infoResponse = message({ info: sub(1, () => info) });
export const readRequest = message({ digest: text(1), offset: integer(2), size: integer(3) });
export const readResponse = message({ offset: integer(1), data: bytes(2) });
export const writeRequest = message({
  action: integer(1),
  ref: text(2),
  total: integer(3),
  expected: text(4),
  offset: integer(5),
  data: bytes(6),
  labels: map(7, text(2)),
});
export const writeResponse = message({
  action: integer(1),
  offset: integer(4),
  total: integer(5),
  digest: text(6),
});
