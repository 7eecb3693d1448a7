// The parameters of ImageBuild in the builder's own words. What cannot be granted is refused, never ignored.
import type { UploadBody } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { imageBuild } from "../../api/operations/build.ts";
import type { BuildRequest } from "../../build/request.ts";
import type { StepLimits } from "../../build/solver/ports.ts";
import { Fault } from "../../lib/errors.ts";
import { parsePlatform } from "../../oci/platform.ts";

export type BuildInput = InputOf<typeof imageBuild>;

function refuseUnsupported(input: BuildInput): void {
  const given: Record<string, boolean> = {
    "--squash": input.squash,
    "--output": input.outputs !== undefined,
    "--security-opt": input.securityOpt.length > 0,
  };
  for (const [what, isGiven] of Object.entries(given))
    if (isGiven)
      throw new Fault("notImplemented", `${what} is not supported by this version`, {
        code: "build.unsupported",
      });
}

interface Ulimit {
  readonly Name?: unknown;
  readonly Soft?: unknown;
  readonly Hard?: unknown;
}

function ulimitsOf(given: unknown): NonNullable<StepLimits["ulimits"]> {
  if (given === undefined || given === null) return [];
  if (!Array.isArray(given)) throw new Fault("invalidParameter", "invalid ulimits: want a list");
  return given.map(({ Name, Soft, Hard }: Ulimit) => {
    if (typeof Name !== "string" || typeof Soft !== "number" || typeof Hard !== "number")
      throw new Fault("invalidParameter", "invalid ulimits: want Name, Soft and Hard of each");
    return { name: Name, soft: Soft, hard: Hard };
  });
}

function limitsOf(input: BuildInput): StepLimits {
  const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems, cgroupParent } = input;
  return {
    memory,
    memorySwap,
    cpuShares,
    cpuPeriod,
    cpuQuota,
    ...(cpusetCpus === undefined ? {} : { cpusetCpus }),
    ...(cpusetMems === undefined ? {} : { cpusetMems }),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
    ulimits: ulimitsOf(input.ulimits),
  };
}

/** compat: words in place of an address that say how the client gives its files. */
const CLIENT_SIDE = new Set(["client-session", "upload-request"]);

function contextOf(remote: string, body: UploadBody): Pick<BuildRequest, "remote" | "context"> {
  if (remote === "") return { context: body };
  return CLIENT_SIDE.has(remote) ? {} : { remote };
}

/** Returns what is to be built. Throws Fault notImplemented, or invalidParameter for values that mean nothing. */
export function requestOf(input: BuildInput, body: UploadBody): BuildRequest {
  refuseUnsupported(input);
  const { remote = "" } = input;
  return {
    ...contextOf(remote, body),
    ...(input.dockerfile === undefined ? {} : { dockerfile: input.dockerfile }),
    ...(input.target === undefined ? {} : { target: input.target }),
    ...(input.buildArgs === undefined ? {} : { buildArgs: input.buildArgs }),
    ...(input.labels === undefined ? {} : { labels: input.labels }),
    ...(input.platform === undefined ? {} : { platform: parsePlatform(input.platform) }),
    ...(input.cacheFrom === undefined ? {} : { cacheImages: input.cacheFrom }),
    noCache: input.noCache,
    pull: input.pull,
    ...(input.networkMode === undefined ? {} : { network: input.networkMode }),
    extraHosts: input.extraHosts,
    ...(input.shmSize === undefined ? {} : { shmSizeBytes: input.shmSize }),
    limits: limitsOf(input),
  };
}

/** As requestOf, for a build whose history tells nothing of contents: images are no cache for it. */
export function requestForBuildKit(input: BuildInput, body: UploadBody): BuildRequest {
  const { cacheImages: _, ...request } = requestOf(input, body);
  return request;
}
