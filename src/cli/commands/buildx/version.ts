// `buildx version`.

import { BERTH_VERSION } from "../../../lib/version.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "",
  arity: noArgs,
  flags: {},
  async run() {
    print(`berth/buildx ${BERTH_VERSION}\n`);
  },
});
