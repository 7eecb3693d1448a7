// `features`: what this runtime can do, for engines to ask (runtime-spec features.md).

import { features as featuresOfRuntime } from "../../spec/features.ts";
import { command } from "../invocation.ts";
import { print } from "../print.ts";

export const features = command({
  operands: "",
  flags: {},
  least: 0,
  most: 0,
  interspersed: true,
  run() {
    print(`${JSON.stringify(featuresOfRuntime(), null, 4)}\n`);
    return 0;
  },
});
