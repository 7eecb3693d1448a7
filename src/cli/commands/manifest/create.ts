import { bool } from "../../../lib/flags/spec.ts";
import { canonicalString, type Reference } from "../../../oci/reference.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { complain, describeFailure } from "../../failure.ts";
import { type ListedManifest, parseName } from "../../manifests/listed.ts";
import { ManifestRegistry } from "../../manifests/registry.ts";
import { ManifestStore } from "../../manifests/store.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "MANIFEST_LIST MANIFEST [MANIFEST...]",
  arity: atLeast(2),
  flags: {
    amend: bool("Amend an existing manifest list", { short: "a" }),
    insecure: bool("Allow communication with an insecure registry"),
  },
  async run(session, { args, flags }) {
    const [target = "", ...names] = args;
    const list = parseTarget(target);
    const store = new ManifestStore(session.globals.config);
    if (store.has(list) && !flags.amend)
      throw complain("refusing to amend an existing manifest list with no --amend flag");
    const registry = new ManifestRegistry(session, flags);
    for (const name of names) {
      const reference = parseName(name);
      store.save(list, reference, loadKept(store, list, reference) ?? (await fetch(registry, reference)));
    }
    print(`Created manifest list ${canonicalString(list)}\n`);
  },
});

function parseTarget(text: string): Reference {
  try {
    return parseName(text);
  } catch (error) {
    throw complain(`error parsing name for manifest list ${text}: ${describeFailure(error)}`);
  }
}

/** What is in the list already stays as it is annotated. */
function loadKept(store: ManifestStore, list: Reference, reference: Reference): ListedManifest | undefined {
  return store.hasManifest(list, reference) ? store.load(list, reference) : undefined;
}

async function fetch(registry: ManifestRegistry, reference: Reference): Promise<ListedManifest> {
  const found = await registry.find(reference);
  if (found.kind === "list") throw complain(`${canonicalString(reference)} is a manifest list`);
  return found.manifest;
}
