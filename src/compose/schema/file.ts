// The top level of a Compose file: services and the networks, volumes, configs and secrets that they use.

import { child, type MapNode, scalar, textOf, withEntry } from "../tree/node.ts";
import { bySubnet } from "./keys.ts";
import { bool, list, map, numeric, object, pairs, text, int } from "./shape.ts";
import { labels, options, stringOrList, strings } from "./shared.ts";
import { named } from "./short-forms.ts";
import { service } from "./service.ts";

const external = bool();

const pool = object({
  subnet: text(),
  gateway: text(),
  ip_range: text(),
  aux_addresses: pairs({ isMappingOnly: true }),
});

export const network = object(
  {
    name: text(),
    driver: text(),
    driver_opts: options,
    ipam: object(
      {
        driver: text(),
        config: list(pool, { keyOf: bySubnet, isReplaced: true, mergesItems: true }),
        options: map(text(), { names: /^.+$/ }),
      },
      { isEmbedded: true },
    ),
    external,
    internal: bool(),
    attachable: bool(),
    labels,
    enable_ipv4: bool({ isPointer: true }),
    enable_ipv6: bool({ isPointer: true }),
  },
  { isNullable: true, prepare: liftExternalName },
);

export const volume = object(
  { name: text(), driver: text(), driver_opts: options, external, labels },
  { isNullable: true, prepare: liftExternalName, check: nothingBesideExternal },
);

const fileOptions = {
  external,
  labels,
  driver: text(),
  driver_opts: options,
  template_driver: text(),
} as const;
const fileSource = { name: text(), file: text({ path: "host" }), environment: text() } as const;

export const secret = object(
  { ...fileSource, ...fileOptions },
  { prepare: liftExternalName, check: (node) => oneSource(node, ["file", "environment"]) },
);
export const config = object(
  { ...fileSource, content: text(), ...fileOptions },
  { prepare: liftExternalName, check: (node) => oneSource(node, ["file", "environment", "content"]) },
);

export const model = object(
  { name: text(), model: text(), context_size: int(), runtime_flags: strings },
  { required: ["model"] },
);

const include = object(
  {
    path: list(text(), { acceptsSingle: true }),
    project_directory: text(),
    env_file: stringOrList,
  },
  { short: named("path") },
);

export const file = object({
  version: numeric(),
  name: text(),
  include: list(include),
  services: map(service),
  models: map(model),
  networks: map(network, { isNullable: true }),
  volumes: map(volume, { isNullable: true }),
  secrets: map(secret),
  configs: map(config),
});

/** `external: {name: x}` is an old way to write `external: true` and `name: x`. */
function liftExternalName(node: MapNode): MapNode {
  const old = child(node, "external");
  if (old?.kind !== "map") return node;
  const name = old.entries.get("name");
  const lifted = withEntry(node, "external", scalar(true, old.at));
  return name === undefined || node.entries.has("name") ? lifted : withEntry(lifted, "name", name.value);
}

/** An external volume is somebody else's: what it is like cannot be said here. */
function nothingBesideExternal(node: MapNode): { field: string; message: string } | undefined {
  const isExternal = child(node, "external");
  if (isExternal?.kind !== "scalar" || isExternal.value !== true) return undefined;
  for (const name of node.entries.keys()) {
    if (name !== "name" && name !== "external" && !name.startsWith("x-"))
      return {
        field: name,
        message: `conflicting parameters "external" and ${JSON.stringify(name)} specified`,
      };
  }
  return undefined;
}

function oneSource(
  node: MapNode,
  sources: readonly string[],
): { field?: string; message: string } | undefined {
  const given = sources.filter((name) => node.entries.has(name));
  if (given.length > 1)
    return { field: given[1] as string, message: `${sources.join("|")} attributes are mutually exclusive` };
  if (given.length === 1 || node.entries.has("external")) return undefined;
  // A driver may have its own way to the content; of a secret there has to be one here, too.
  if (sources.includes("content") && textOf(child(node, "driver")) !== undefined) return undefined;
  return { message: `one of ${sources.join("|")} must be set` };
}
