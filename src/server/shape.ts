// Makes responses look as the client's API version has them. The engine always answers in the newest shape; older
// clients get the fields that were removed since and not those that came later (moby's routers, API version history).
// Works on a shallow copy; the engine's values are not changed.

import type { DiskUsage } from "../api/schemas/system.ts";
import { compareVersions } from "../lib/version-order.ts";
import { table } from "../lib/table.ts";

type Json = Record<string, unknown>;

interface Rule {
  /** Applies to clients older than this. */
  readonly before: string;
  apply(value: Json): void;
}

function drop(before: string, ...names: string[]): Rule {
  return {
    before,
    apply(value) {
      for (const name of names) delete value[name];
    },
  };
}

function copyOf(value: unknown): Json {
  return { ...(value as Json) };
}

function isUserDefined(network: string): boolean {
  return !["bridge", "host", "none", "default"].includes(network) && !network.startsWith("container:");
}

/** compat: before 1.45 aliases named the container's short id and host name too. */
const aliasesWithId: Rule = {
  before: "1.45",
  apply(value) {
    const settings = copyOf(value["NetworkSettings"]);
    const networks = copyOf(settings["Networks"]);
    const { Hostname: hostname = "" } = (value["Config"] ?? {}) as { Hostname?: string };
    for (const [name, endpoint] of Object.entries(networks)) {
      if (!isUserDefined(name)) continue;
      const aliases = ((endpoint as Json)["Aliases"] as string[] | null) ?? [];
      const all = new Set([...aliases, String(value["Id"]).slice(0, 12), hostname]);
      networks[name] = { ...(endpoint as Json), Aliases: [...all].filter((alias) => alias !== "") };
    }
    value["NetworkSettings"] = { ...settings, Networks: networks };
  },
};

const NO_BRIDGE: Json = {
  EndpointID: "",
  Gateway: "",
  GlobalIPv6Address: "",
  GlobalIPv6PrefixLen: 0,
  IPAddress: "",
  IPPrefixLen: 0,
  IPv6Gateway: "",
  MacAddress: "",
};

/** compat: fields of Docker's first network model, which nothing fills any more. */
const NO_SANDBOX: Json = {
  Bridge: "",
  HairpinMode: false,
  LinkLocalIPv6Address: "",
  LinkLocalIPv6PrefixLen: 0,
  SecondaryIPAddresses: null,
  SecondaryIPv6Addresses: null,
};

/** compat: before 1.52 the default bridge's endpoint was repeated in NetworkSettings itself, empty when not attached. */
const flatBridge: Rule = {
  before: "1.52",
  apply(value) {
    const settings = copyOf(value["NetworkSettings"]);
    const bridge = (settings["Networks"] as Json | undefined)?.["bridge"] as Json | undefined;
    for (const [name, empty] of Object.entries(NO_BRIDGE)) settings[name] = bridge?.[name] ?? empty;
    value["NetworkSettings"] = { ...NO_SANDBOX, ...settings };
  },
};

/** Drops fields of a container's endpoints that older versions do not have. */
function dropFromEndpoints(before: string, name: string): Rule {
  return {
    before,
    apply(value) {
      const settings = copyOf(value["NetworkSettings"]);
      const networks = Object.entries(copyOf(settings["Networks"])).map(([network, endpoint]) => {
        const { [name]: _, ...rest } = endpoint as Json;
        return [network, rest];
      });
      value["NetworkSettings"] = { ...settings, Networks: Object.fromEntries(networks) };
    },
  };
}

/** Fills fields of an inner object that older versions always had. */
function fillIn(before: string, inner: string, fields: Json): Rule {
  return {
    before,
    apply(value) {
      value[inner] = { ...fields, ...copyOf(value[inner]) };
    },
  };
}

const graphDriver: Rule = {
  before: "1.52",
  apply(value) {
    const rootFs = (value["Storage"] as Json | undefined)?.["RootFS"] as Json | undefined;
    const name = (rootFs?.["Snapshot"] as Json | undefined)?.["Name"];
    if (value["GraphDriver"] !== undefined || name === undefined) return;
    value["GraphDriver"] = { Data: null, Name: name };
    delete value["Storage"];
  },
};

const annotations: Rule = {
  before: "1.46",
  apply(value) {
    const hostConfig = copyOf(value["HostConfig"]);
    delete hostConfig["Annotations"];
    value["HostConfig"] = hostConfig;
  },
};

const virtualSize: Rule = {
  before: "1.44",
  apply(value) {
    value["VirtualSize"] = value["Size"];
  },
};

const noneTags: Rule = {
  before: "1.43",
  apply(value) {
    if ((value["RepoDigests"] as string[]).length > 0) return;
    const isNamed = (value["RepoTags"] as string[]).length > 0;
    if (!isNamed) value["RepoTags"] = ["<none>:<none>"];
    value["RepoDigests"] = isNamed ? null : ["<none>@<none>"];
  },
};

const CONFIG_1_51 = {
  Cmd: null,
  Entrypoint: null,
  Env: null,
  Labels: null,
  OnBuild: null,
  User: "",
  Volumes: null,
  WorkingDir: "",
};

const CONFIG_1_49 = {
  AttachStderr: false,
  AttachStdin: false,
  AttachStdout: false,
  Domainname: "",
  Hostname: "",
  Image: "",
  OpenStdin: false,
  StdinOnce: false,
  Tty: false,
};

/** Fills fields that older versions always had. */
function fill(before: string, fields: Json): Rule {
  return {
    before,
    apply(value) {
      for (const [name, empty] of Object.entries(fields)) value[name] ??= empty;
    },
  };
}

const expectedCommits: Rule = {
  before: "1.49",
  apply(value) {
    for (const name of ["ContainerdCommit", "RuncCommit", "InitCommit"]) {
      const commit = copyOf(value[name]);
      value[name] = { ...commit, Expected: commit["ID"] };
    }
  },
};

/** compat: before 1.52 events of containers and images also had the form of API 1.21, in front. */
const legacyEvent: Rule = {
  before: "1.52",
  apply(value) {
    if (value["Type"] !== "container" && value["Type"] !== "image") return;
    const actor = value["Actor"] as { ID: string; Attributes: Record<string, string> };
    const rest = { ...value };
    for (const key of Object.keys(rest)) delete value[key];
    const { image } = actor.Attributes;
    const id = actor.ID === "" ? {} : { id: actor.ID };
    const from = rest["Type"] === "container" && image ? { from: image } : {};
    Object.assign(value, { status: rest["Action"], ...id, ...from }, rest);
  },
};

const EMPTY_CONFIG: Json = {
  Hostname: "",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: "",
  Volumes: null,
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

const RULES: Readonly<Record<string, readonly Rule[]>> = table({
  ContainerList: [
    dropFromEndpoints("1.44", "DNSNames"),
    annotations,
    drop("1.48", "ImageManifestDescriptor"),
    dropFromEndpoints("1.48", "GwPriority"),
    drop("1.52", "Health"),
  ],
  ContainerInspect: [
    fillIn("1.42", "HostConfig", { KernelMemory: 0, KernelMemoryTCP: 0 }),
    dropFromEndpoints("1.44", "DNSNames"),
    aliasesWithId,
    drop("1.48", "ImageManifestDescriptor"),
    dropFromEndpoints("1.48", "GwPriority"),
    flatBridge,
    fillIn("1.52", "Config", { OnBuild: null }),
    graphDriver,
  ],
  ImageList: [
    noneTags,
    virtualSize,
    drop("1.48", "Descriptor"),
    { before: "1.51", apply: (value) => (value["Containers"] = -1) },
  ],
  ImageInspect: [
    fill("1.44", { Created: "0001-01-01T00:00:00Z" }),
    virtualSize,
    // compat: docker-compose 1 reads the volumes of ContainerConfig, which builders filled long ago.
    fill("1.45", { Container: "", ContainerConfig: EMPTY_CONFIG }),
    drop("1.48", "Descriptor"),
    fill("1.52", { Parent: "", Comment: "", DockerVersion: "", Author: "" }),
    fillIn("1.50", "Config", CONFIG_1_49),
    fillIn("1.52", "Config", CONFIG_1_51),
  ],
  NetworkInspect: [drop("1.52", "Status")],
  SystemInfo: [
    drop("1.46", "Containerd"),
    drop("1.49", "FirewallBackend"),
    expectedCommits,
    drop("1.50", "DiscoveredDevices"),
    drop("1.53", "NRI"),
    fill("1.50", { BridgeNfIptables: false, BridgeNfIp6tables: false }),
  ],
  SystemEvents: [legacyEvent],
});

function shapeOne(rules: readonly Rule[], value: unknown): unknown {
  const copy = copyOf(value);
  for (const rule of rules) rule.apply(copy);
  return copy;
}

/** Returns the response of an operation as the version has it; lists are shaped item by item. */
export function shapeResponse(operation: string, version: string, value: unknown): unknown {
  const rules = (RULES[operation] ?? []).filter((rule) => compareVersions(version, rule.before) < 0);
  if (rules.length === 0 || value === null || typeof value !== "object") return value;
  return Array.isArray(value) ? value.map((item) => shapeOne(rules, item)) : shapeOne(rules, value);
}

/** Returns whether an event is sent at all: creation of images is news since 1.46. */
export function isEventKnown(
  version: string,
  event: { readonly Type: string; readonly Action: string },
): boolean {
  return !(event.Type === "image" && event.Action === "create" && compareVersions(version, "1.46") < 0);
}

function withContainers(shaped: readonly Json[], items: readonly Json[]): Json[] {
  return shaped.map((item, i) => ({ ...item, Containers: items[i]?.["Containers"] }));
}

type Usage = { Items?: unknown[] | undefined; TotalSize: number } | undefined;

const USAGES = [
  ["Images", "ImageUsage", "ImageList"],
  ["Containers", "ContainerUsage", "ContainerList"],
  ["Volumes", "VolumeUsage", ""],
  ["BuildCache", "BuildCacheUsage", ""],
] as const;

/**
 * SystemDataUsage: the engine answers the `…Usage` objects with their Items. Before 1.52 clients get flat lists; from
 * 1.52 on the objects, with Items only when verbose, and beside them the flat lists unless verbose (for unversioned clients).
 */
export function shapeDiskUsage(version: string, isVerbose: boolean, value: DiskUsage): unknown {
  const isOld = compareVersions(version, "1.52") < 0;
  const result: Json = {};
  for (const [flat, object, operation] of USAGES) {
    const usage = value[object] as Usage;
    if (usage === undefined) continue;
    if (isOld || !isVerbose) {
      if (object === "ImageUsage") result["LayersSize"] = usage.TotalSize;
      const items = shapeResponse(operation, version, usage.Items ?? []);
      // compat: here the containers of images were counted before they were in lists.
      result[flat] = object === "ImageUsage" ? withContainers(items as Json[], usage.Items as Json[]) : items;
    }
    if (isOld) continue;
    result[object] = isVerbose && (usage.Items?.length ?? 0) > 0 ? usage : { ...usage, Items: undefined };
  }
  return result;
}
