// BuildKit's definitions of build graphs, as far as they are understood here: one source, which is the result, unpacked where it is an
// archive. A definition is a list
// of encoded operations; the last one only says which output of which operation is meant.
// Source: BuildKit's solver/pb/ops.proto.

import { bytes, integer, list, map, message, sub, text } from "../protobuf/message.ts";

const input = message({ digest: text(1), index: integer(2) });
const source = message({ identifier: text(1), attrs: map(2, text(2)) });
export const operation = message({
  inputs: list(sub(1, () => input)),
  /** A command; what it is does not matter here. */
  exec: bytes(2),
  source: sub(3, () => source),
});
const operationMetadata = message({ description: map(2, text(2)) });
export const definition = message({
  operations: list(bytes(1)),
  /** By the operations' digests. */
  metadata: map(
    2,
    sub(2, () => operationMetadata),
  ),
});
