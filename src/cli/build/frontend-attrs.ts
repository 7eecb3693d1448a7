// The flags of `build` as options of BuildKit's Dockerfile frontend.

import { complain } from "../failure.ts";
import { toRecord } from "../options/env.ts";
import { attestAttrs } from "./attest.ts";
import { callOf } from "./call.ts";
import { type BuildFlags, buildArguments } from "./flags.ts";
import type { PreparedInputs } from "./session/inputs.ts";

interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

function prefixed(prefix: string, values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
}

function given(values: Readonly<Record<string, string | number>>): Record<string, string> {
  const kept = Object.entries(values).filter(([, value]) => value !== "" && value !== 0);
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}

function noCache(flags: BuildFlags): Record<string, string> {
  const stages = flags["no-cache-filter"];
  if (flags["no-cache"] && stages.length > 0)
    throw complain("--no-cache and --no-cache-filter cannot currently be used together");
  if (flags["no-cache"]) return { "no-cache": "" };
  return stages.length === 0 ? {} : { "no-cache": stages.join(",") };
}

function args(flags: BuildFlags, proxies: Readonly<Record<string, string>>): Record<string, string> {
  const known = Object.entries(buildArguments(flags, proxies)).flatMap(([name, value]) =>
    // A name without a value that the environment does not have either says nothing.
    value === null ? [] : [[`build-arg:${name}`, value]],
  );
  return Object.fromEntries(known);
}

/** The environment's SOURCE_DATE_EPOCH is an argument of every build. */
function epoch(): Record<string, string> {
  const value = process.env["SOURCE_DATE_EPOCH"] ?? "";
  return value === "" ? {} : { "build-arg:SOURCE_DATE_EPOCH": value };
}

/** Returns the options. Throws a Fault for flags that contradict each other. */
export function frontendAttrs(
  flags: BuildFlags,
  inputs: Pick<PreparedInputs, "attrs">,
  proxies: Readonly<Record<string, string>>,
): Record<string, string> {
  const hosts = flags["add-host"].map((text) => text.replace(/[:=]/, "="));
  const ulimits = (flags.ulimit as readonly Ulimit[]).map(
    ({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`,
  );
  const call = callOf(flags);
  return {
    ...inputs.attrs,
    ...epoch(),
    ...attestAttrs(flags),
    ...(flags.debug ? { "berth-debug": "true" } : {}),
    ...(flags.explain ? { "berth-explain": "true" } : {}),
    ...(call === undefined ? {} : { requestid: call.request }),
    ...args(flags, proxies),
    ...prefixed("label:", toRecord(flags.label)),
    ...noCache(flags),
    ...(flags.pull ? { "image-resolve-mode": "pull" } : {}),
    ...given({
      target: flags.target,
      platform: flags.platform,
      "add-hosts": hosts.join(","),
      ulimit: ulimits.join(","),
      "shm-size": flags["shm-size"],
      "cgroup-parent": flags["cgroup-parent"],
      memory: flags.memory,
      "memory-swap": flags["memory-swap"],
      "cpu-shares": flags["cpu-shares"],
      "cpu-period": flags["cpu-period"],
      "cpu-quota": flags["cpu-quota"],
      "cpuset-cpus": flags["cpuset-cpus"],
      "cpuset-mems": flags["cpuset-mems"],
      "force-network-mode": flags.network === "default" ? "" : flags.network,
    }),
  };
}
