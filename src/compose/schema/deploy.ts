// The attributes of `deploy`: replicas, limits and restart policy concern one host; the rest is a cluster's and kept.

import { bytes, duration, float, int, list, object, text, word } from "./shape.ts";
import { deviceRequest, labels, strings } from "./shared.ts";

const updateConfig = object({
  parallelism: int({ isPointer: true, min: 0 }),
  delay: duration(),
  failure_action: text(),
  monitor: duration(),
  max_failure_ratio: float(),
  order: word("start-first", "stop-first"),
});

const generic = object({ discrete_resource_spec: object({ kind: text(), value: int() }) });

const limits = object({ cpus: float({ min: 0 }), memory: bytes(), pids: int() });

const reservations = object({
  cpus: float({ min: 0 }),
  memory: bytes(),
  devices: list(deviceRequest),
  generic_resources: list(generic),
});

export const deploy = object(
  {
    mode: text(),
    replicas: int({ isPointer: true }),
    labels,
    update_config: updateConfig,
    rollback_config: updateConfig,
    resources: object({ limits, reservations }, { isEmbedded: true }),
    restart_policy: object({
      condition: text(),
      delay: duration({ isPointer: true }),
      max_attempts: int({ isPointer: true, min: 0 }),
      window: duration({ isPointer: true }),
    }),
    placement: object(
      {
        constraints: strings,
        preferences: list(object({ spread: text() })),
        max_replicas_per_node: int({ min: 0 }),
      },
      { isEmbedded: true },
    ),
    endpoint_mode: text(),
  },
  { isNullable: true },
);
