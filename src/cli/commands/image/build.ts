// `build`: by BuildKit's services, as Docker's client of today, or by the classic operation where the user wants that
// (DOCKER_BUILDKIT=0) and no flag needs more.

import { buildFlags, SESSION_FLAGS } from "../../build/flags.ts";
import { defineCommand, exactly } from "../../command.ts";

export const command = defineCommand({
  operands: "[OPTIONS] PATH | URL | -",
  arity: exactly(1),
  flags: buildFlags,
  async run(session, { args, flags, given }) {
    const isClassic =
      process.env["DOCKER_BUILDKIT"] === "0" && !SESSION_FLAGS.some((name) => given.has(name));
    if (isClassic) {
      const { buildClassic } = await import("../../build/classic.ts");
      return buildClassic(session, args[0] ?? "", flags);
    }
    const { buildWithSession } = await import("../../build/with-session.ts");
    return buildWithSession(session, args[0] ?? "", flags);
  },
});
