// How a command of Compose is declared: as every command, with Compose's session in place of the program's.

import type { FlagTable } from "../../../lib/flags/spec.ts";
import type { Command } from "../../command.ts";
import type { ComposeSession } from "./session.ts";
import { commonFlags } from "./flags.ts";

type ComposeCommand<F extends FlagTable> = Command<F & typeof commonFlags, ComposeSession>;

/** Declares a command of Compose; the types of its flags are kept, and the flags that all of them have are added. */
export function defineComposeCommand<F extends FlagTable>(
  command: Omit<ComposeCommand<F>, "flags"> & { readonly flags: F },
): ComposeCommand<F> {
  const { run, ...rest } = command;
  return {
    ...rest,
    flags: { ...command.flags, ...commonFlags },
    run(session, invocation) {
      // --dry-run may stand in front of the command as well as behind it.
      if (invocation.flags["dry-run"]) session.isDryRun = true;
      return run(session, invocation);
    },
  };
}
