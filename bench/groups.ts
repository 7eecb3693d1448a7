// All groups, in the order in which a full run measures them: what is short and most looked at first.
import { build } from "./rows/build.ts";
import { bundle } from "./rows/bundle.ts";
import { copying } from "./rows/copying.ts";
import { exec } from "./rows/exec.ts";
import { growth } from "./rows/growth.ts";
import { healthChecks } from "./rows/health.ts";
import { images } from "./rows/images.ts";
import { memory } from "./rows/memory.ts";
import { network } from "./rows/network.ts";
import { ps } from "./rows/ps.ts";
import type { Group } from "./rows/row.ts";
import { run } from "./rows/run.ts";
import { starts } from "./rows/starts.ts";
import { streams } from "./rows/streams.ts";
import { version } from "./rows/version.ts";

export const GROUPS: readonly Group[] = [
  version,
  run,
  exec,
  ps,
  bundle,
  starts,
  streams,
  copying,
  build,
  images,
  network,
  healthChecks,
  memory,
  ...growth,
];
