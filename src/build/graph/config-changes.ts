// `--change` of import and commit: single Dockerfile instructions that change an image's configuration and no file.

import { Fault } from "../../lib/errors.ts";
import type { RunConfig } from "../../oci/image-config.ts";
import { parseTrigger } from "../dockerfile/parse.ts";
import { BuildArgs } from "./args.ts";
import { StageState } from "./stage-state.ts";

/** What Docker lets `--change` say. */
const ALLOWED = [
  "cmd",
  "entrypoint",
  "env",
  "expose",
  "label",
  "onbuild",
  "user",
  "volume",
  "workdir",
  "healthcheck",
  "stopsignal",
];

/**
 * Returns `config` changed by the instructions (each text may hold several lines). Throws Fault `dockerfile.syntax`, or
 * invalidParameter for an instruction that cannot be a change.
 */
export function applyConfigChanges(config: RunConfig, changes: readonly string[]): RunConfig {
  const lines = changes.flatMap((c) => c.split("\n")).filter((l) => l.trim() !== "");
  if (lines.length === 0) return config;
  const state = new StageState(config, new BuildArgs({}, new Map()), "\\", { keepsPath: true });
  for (const line of lines) {
    const word = line.trim().split(/\s/)[0] ?? "";
    if (!ALLOWED.includes(word.toLowerCase()))
      throw new Fault("invalidParameter", `${word} is not a valid change command`, { code: "image.change" });
    const instruction = parseTrigger(line);
    // An image's configuration has the directory, whether it is there or not.
    if (instruction.kind === "workdir") state.enterDirectory(instruction);
    else if (instruction.kind !== "from") state.apply(instruction);
  }
  return state.config;
}
