// Every operation of the contract, for tables and reference pages. Clients import the noun they need instead.

import type { OperationSpec } from "../contract.ts";
import * as build from "./build.ts";
import * as container from "./container.ts";
import * as exec from "./exec.ts";
import * as facts from "./facts.ts";
import * as image from "./image.ts";
import * as kept from "./kept.ts";
import * as network from "./network.ts";
import * as plugin from "./plugin.ts";
import * as system from "./system.ts";
import { SWARM_OPERATIONS } from "./swarm.ts";
import * as volume from "./volume.ts";

export const ALL_OPERATIONS: readonly OperationSpec[] = [
  system,
  container,
  exec,
  image,
  build,
  network,
  volume,
  facts,
  kept,
  plugin,
]
  .flatMap((noun) => Object.values<OperationSpec>(noun))
  .concat(SWARM_OPERATIONS);
