// What `stop` and `restart` have in common.

import { type FlagValues, int, string } from "../../../lib/flags/spec.ts";
import { complain } from "../../failure.ts";

export const stopFlags = {
  signal: string("Signal to send to the container", { short: "s", since: "1.42" }),
  time: int("Seconds to wait before killing the container", { deprecated: "use --timeout instead" }),
  timeout: int("Seconds to wait before killing the container", { short: "t" }),
};

/** Returns the query parameters. Throws a Fault when both spellings of the timeout are given. */
export function stopArguments(flags: FlagValues<typeof stopFlags>, given: ReadonlySet<string>) {
  if (given.has("time") && given.has("timeout")) {
    throw complain("conflicting options: cannot specify both --timeout and --time");
  }
  const timeoutSeconds = given.has("time") ? flags.time : given.has("timeout") ? flags.timeout : undefined;
  return { signal: flags.signal, timeoutSeconds };
}
