// The options of BuildKit's Dockerfile frontend, as clients send them by name (`build-arg:X`, `target`, `context:NAME`), in
// the builder's own words.

import { Fault } from "../lib/errors.ts";
import { formatPlatform, parsePlatform, type Platform } from "../oci/platform.ts";
import type { BuildRequest } from "./request.ts";
import type { StepLimits } from "./solver/ports.ts";

type Attrs = Readonly<Record<string, string>>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function withPrefix(attrs: Attrs, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attrs).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
    ),
  );
}

const listOf = (text: string | undefined): string[] => (text ?? "").split(",").filter((word) => word !== "");

/** `add-hosts`: `host=ip,host=ip`. */
function hostsOf(text: string | undefined): string[] {
  return listOf(text).map((pair) => pair.replace("=", ":"));
}

function numberOf(text: string | undefined): number {
  return text === undefined || !/^-?\d+$/.test(text) ? 0 : Number(text);
}

function limitsOf(attrs: Attrs): StepLimits {
  const ulimits = listOf(attrs["ulimit"]).map((text) => {
    const [, name = "", soft = "", hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
    if (name === "") throw new Fault("invalidParameter", `invalid ulimit: ${text}`, { code: "build.ulimit" });
    return { name, soft: Number(soft), hard: Number(hard) };
  });
  return {
    ulimits,
    ...(attrs["cgroup-parent"] === undefined ? {} : { cgroupParent: attrs["cgroup-parent"] }),
    memory: numberOf(attrs["memory"]),
    memorySwap: numberOf(attrs["memory-swap"]),
    cpuShares: numberOf(attrs["cpu-shares"]),
    cpuPeriod: numberOf(attrs["cpu-period"]),
    cpuQuota: numberOf(attrs["cpu-quota"]),
    ...(attrs["cpuset-cpus"] === undefined ? {} : { cpusetCpus: attrs["cpuset-cpus"] }),
    ...(attrs["cpuset-mems"] === undefined ? {} : { cpusetMems: attrs["cpuset-mems"] }),
  };
}

/** `no-cache`: nothing is taken from the cache, or nothing for these stages. */
function noCacheOf(text: string | undefined): Pick<BuildRequest, "noCache" | "noCacheFilter"> {
  if (text === undefined) return {};
  return text === "" ? { noCache: true } : { noCacheFilter: listOf(text) };
}

function networkOf(mode: string | undefined): string {
  if (mode === undefined || mode === "" || mode === "sandbox" || mode === "default") return "default";
  return mode;
}

/** Returns the platforms that are asked for, each once; none stands for the host's. Throws Fault invalidParameter. */
export function platformsOfAttrs(attrs: Attrs): Platform[] {
  const platforms = listOf(attrs["platform"]).map((text) => parsePlatform(text));
  return [...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values()];
}

/** Returns what the options ask for, for one of their platforms. */
export function requestOfAttrs(attrs: Attrs, platform?: Platform): BuildRequest {
  const request: Mutable<BuildRequest> = {
    dialect: "buildkit",
    ...noCacheOf(attrs["no-cache"]),
    buildArgs: withPrefix(attrs, "build-arg:"),
    labels: withPrefix(attrs, "label:"),
    contexts: withPrefix(attrs, "context:"),
    network: networkOf(attrs["force-network-mode"]),
    extraHosts: hostsOf(attrs["add-hosts"]),
    shmSizeBytes: numberOf(attrs["shm-size"]),
    limits: limitsOf(attrs),
    pull: attrs["image-resolve-mode"] === "pull",
    explains: attrs["berth-explain"] === "true",
    debugs: attrs["berth-debug"] === "true",
    localContext: {
      context: attrs["contextkey"] || "context",
      dockerfile: attrs["dockerfilekey"] || "dockerfile",
    },
  };
  if (attrs["filename"] !== undefined) request.dockerfile = attrs["filename"];
  if (attrs["target"] !== undefined) request.target = attrs["target"];
  if (platform !== undefined) request.platform = platform;
  if (attrs["context"] !== undefined) {
    request.remote = attrs["context"];
    delete request.localContext;
  }
  return request;
}
