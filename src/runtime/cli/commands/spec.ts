// `spec`: a config.json to start from.

import { chdir } from "node:process";
import { writeFileSync } from "node:fs";
import { Fault } from "../../../lib/errors.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { loadCgroupHost } from "../../../linux/cgroupfs/hierarchy.ts";
import { exampleSpec, rootlessSpec } from "../example-spec.ts";
import { command } from "../invocation.ts";

export const spec = command({
  operands: "",
  flags: {
    bundle: string("path to the root of the bundle directory", { short: "b" }),
    rootless: bool("generate a configuration for a rootless container"),
  },
  least: 0,
  most: 0,
  interspersed: true,
  run(_call, { bundle, rootless }) {
    if (bundle !== "") chdir(bundle);
    const ids = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    const example = exampleSpec(loadCgroupHost().mode === "unified");
    const config = rootless ? rootlessSpec(example, ids) : example;
    try {
      writeFileSync("config.json", JSON.stringify(config, null, "\t"), { flag: "wx", mode: 0o666 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new Fault("conflict", "File config.json exists. Remove it first", {
        code: "bundle.config-exists",
        cause: error,
      });
    }
    return 0;
  },
});
