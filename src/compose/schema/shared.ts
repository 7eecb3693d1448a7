// Shapes that several parts of a Compose file have in common.

import { child, scalar, textOf, withEntry } from "../tree/node.ts";
import { byFile, byName } from "./keys.ts";
import {
  any,
  bool,
  command,
  count,
  either,
  int,
  list,
  map,
  mode,
  nullablePairs,
  numeric,
  object,
  pairs,
  text,
} from "./shape.ts";
import { named } from "./short-forms.ts";

export const labels = pairs();

/** Options of drivers: a mapping of texts. */
export const options = map(numeric(), { names: /^.+$/ });

export const strings = list(text());
/** One text may stand for the list. */
export const stringOrList = list(text(), { acceptsSingle: true });
/** A later file's texts are added, the same text or name is one. */
export const namedStrings = list(text(), { keyOf: byName });

const fileFields = { source: text(), target: text(), uid: numeric(), gid: numeric(), mode: mode() } as const;

/** Configs as a service uses them, secrets as a build does. */
export const fileReferences = (directory: string) =>
  list(object(fileFields, { short: named("source") }), { keyOf: byFile(directory) });

/** Secrets as a service uses them. */
export const mountedSecrets = list(
  object(fileFields, {
    short: named("source"),
    prepare(node) {
      const source = textOf(child(node, "source"));
      if (source === undefined || node.entries.has("target")) return node;
      return withEntry(node, "target", scalar(`/run/secrets/${source}`, node.at));
    },
  }),
  { keyOf: byFile("/run/secrets") },
);

export const ulimits = map(
  either(int(), object({ soft: int(), hard: int() }, { required: ["soft", "hard"] })),
  {
    names: /^[a-z]+$/,
  },
);

export const deviceRequest = object(
  {
    capabilities: strings,
    driver: text(),
    count: count(),
    device_ids: strings,
    options: pairs(),
  },
  {
    prepare: (node) =>
      node.entries.has("count") || node.entries.has("device_ids")
        ? node
        : withEntry(node, "count", scalar("all", node.at)),
    check: (node) =>
      node.entries.has("count") && node.entries.has("device_ids")
        ? { field: "count", message: '"count" and "device_ids" attributes are exclusive' }
        : undefined,
  },
);

/** A command that is run at a point of a container's life. */
export const hookFields = {
  command: command({ isNullInJson: true }),
  image: text(),
  user: numeric(),
  privileged: bool(),
  working_dir: text(),
  environment: nullablePairs(),
  per_replica: bool(),
} as const;
export const hook = object(hookFields, { required: ["command"] });

export const anything = any();
