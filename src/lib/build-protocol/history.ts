// The messages of BuildKit's build history, as far as they are understood here: which builds there were and how they ended, as `docker buildx
// history` lists, inspects and removes them. What a build said is asked with the service's Status.

import { boolean, integer, list, map, message, sub, text } from "../protobuf/message.ts";
import { exporter, rpcStatus, timestamp } from "./control.ts";

/** Types of events. */
export const HISTORY_EVENT = { started: 0, complete: 1, deleted: 2 } as const;
/** Metadata of the answer: the service's clock, RFC 3339, from which clients count how long a build has been running. */
export const HISTORY_CLOCK_KEY = "buildkit-current-timestamp";

export const historyRequest = message({
  activeOnly: boolean(1),
  ref: text(2),
  /** Only what is there; else what happens is told as it does. */
  earlyExit: boolean(3),
  filter: list(text(4)),
  limit: integer(5),
});

export const historyRecord = message({
  ref: text(1),
  frontend: text(2),
  frontendAttrs: map(3, text(2)),
  exporters: list(sub(4, () => exporter)),
  error: sub(5, () => rpcStatus),
  createdAt: sub(6, () => timestamp),
  completedAt: sub(7, () => timestamp),
  exporterResponse: map(9, text(2)),
  pinned: boolean(14),
  cachedSteps: integer(15),
  totalSteps: integer(16),
  completedSteps: integer(17),
  warnings: integer(19),
});
export const historyEvent = message({ type: integer(1), record: sub(2, () => historyRecord) });

export const updateHistoryRequest = message({
  ref: text(1),
  pinned: boolean(2),
  deletes: boolean(3),
  finalizes: boolean(4),
});
