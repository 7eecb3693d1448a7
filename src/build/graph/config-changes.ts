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
  "shell",
];

/**
 * Returns `config` changed by the instructions (each text may hold several lines). Throws Fault `dockerfile.syntax`, or
 * invalidParameter for an instruction that cannot be a change.
 */
export function applyConfigChanges(config: RunConfig, changes: readonly string[]): RunConfig {
  const lines = changes.flatMap((c) => c.split("\n")).filter((l) => l.trim() !== "");
  if (lines.length === 0) return config;
  const state = new StageState(config, new BuildArgs({}, new Map()), "\\");
  for (const line of lines) {
    const instruction = parseTrigger(line);
    if (
      !ALLOWED.includes(instruction.kind) ||
      instruction.kind === "from" ||
      state.apply(instruction) === undefined
    )
      throw new Fault("invalidParameter", `${line.trim().split(/\s/)[0]} is not a valid change command`, {
        code: "image.change",
      });
  }
  return state.config;
}
