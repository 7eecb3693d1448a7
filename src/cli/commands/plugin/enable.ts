import { pluginEnable } from "../../../api/operations/plugin.ts";
import { int } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] PLUGIN",
  arity: exactly(1),
  flags: { timeout: int("HTTP client timeout (in seconds)", { initial: 30 }) },
  async run(session, { args, flags }) {
    const [name = ""] = args;
    const timeout = flags.timeout;
    if (timeout < 0) throw complain(`negative timeout ${timeout} is invalid`);
    await (await session.client()).call(pluginEnable, { name, timeout });
    print(`${name}\n`);
  },
});
