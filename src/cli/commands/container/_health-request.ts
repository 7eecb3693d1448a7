// The health flags of `create` and `run` → Healthcheck of the create request. Throws Faults, in Docker's text where Docker has the flag.

import type { ContainerCreateRequest } from "../../../api/schemas/container.ts";
import { Fault } from "../../../lib/errors.ts";
import type { CreateFlags } from "./_create-request.ts";

const DURATIONS = [
  "health-interval",
  "health-timeout",
  "health-start-period",
  "health-start-interval",
] as const;
/** Each stands for a kind of test. */
const TESTS = { "health-cmd": "CMD-SHELL", "health-http": "HTTP", "health-tcp": "TCP" } as const;
const REACTIONS = ["none", "restart", "stop", "kill"];

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.create" });
}

/** Returns the part of the request; nothing when no flag asks for it. */
export function healthcheckOf(flags: CreateFlags): Pick<ContainerCreateRequest, "Healthcheck"> {
  const retries = flags["health-retries"];
  const reaction = flags["health-on-failure"];
  const tests = (Object.keys(TESTS) as (keyof typeof TESTS)[]).filter((name) => flags[name] !== "");
  const isSet =
    tests.length > 0 || retries !== 0 || reaction !== "" || DURATIONS.some((name) => flags[name] !== 0);
  if (flags["no-healthcheck"]) {
    if (isSet) throw refuse("--no-healthcheck conflicts with --health-* options");
    return { Healthcheck: { Test: ["NONE"] } };
  }
  if (!isSet) return {};
  const [test, other] = tests;
  if (other !== undefined) throw refuse(`--${test} conflicts with --${other}`);
  for (const name of [...DURATIONS, "health-retries"] as const) {
    if (flags[name] < 0) throw refuse(`--${name} cannot be negative`);
  }
  if (reaction !== "" && !REACTIONS.includes(reaction)) {
    throw refuse(`invalid value for --health-on-failure: "${reaction}" is none of ${REACTIONS.join(", ")}`);
  }
  return {
    Healthcheck: {
      ...(test === undefined ? {} : { Test: [TESTS[test], flags[test]] }),
      Interval: flags["health-interval"],
      Timeout: flags["health-timeout"],
      StartPeriod: flags["health-start-period"],
      StartInterval: flags["health-start-interval"],
      Retries: retries,
      ...(reaction === "" ? {} : { OnFailure: reaction }),
    },
  };
}
