// The attributes of `build` and `develop`.

import { byName } from "./keys.ts";
import { anyText, bool, bytes, hosts, list, nullablePairs, object, pairs, text, word } from "./shape.ts";
import { fileReferences, hookFields, labels, stringOrList, strings, ulimits } from "./shared.ts";
import { named } from "./short-forms.ts";

export const build = object(
  {
    context: text({ path: "context" }),
    dockerfile: text(),
    dockerfile_inline: text(),
    entitlements: strings,
    args: nullablePairs(),
    provenance: anyText(),
    sbom: anyText(),
    ssh: nullablePairs({ path: "host", isListed: true }),
    labels,
    cache_from: strings,
    cache_to: strings,
    no_cache: bool(),
    no_cache_filter: stringOrList,
    additional_contexts: pairs({ path: "context" }),
    pull: bool(),
    extra_hosts: hosts(),
    isolation: text(),
    network: text(),
    target: text(),
    secrets: fileReferences("/run/secrets"),
    shm_size: bytes(),
    tags: list(text(), { keyOf: byName }),
    ulimits,
    platforms: strings,
    privileged: bool(),
  },
  { short: named("context") },
);

const trigger = object(
  {
    path: text({ path: "resolved" }),
    action: word("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
    target: text(),
    exec: object(hookFields, { required: ["command"], isEmbedded: true }),
    include: stringOrList,
    ignore: stringOrList,
    initial_sync: bool(),
  },
  {
    required: ["path", "action"],
    check(node) {
      const path = node.entries.get("path")?.value;
      return path?.kind === "scalar" && path.value === ""
        ? { field: "path", message: "value can't be blank" }
        : undefined;
    },
  },
);

export const develop = object({ watch: list(trigger) }, { isNullable: true });
