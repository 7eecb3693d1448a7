import { bool } from "../../../lib/flags/spec.ts";
import type { Reference } from "../../../oci/reference.ts";
import { defineCommand } from "../../command.ts";
import { complain, describeFailure } from "../../failure.ts";
import { indentJson } from "../../format/json-text.ts";
import {
  checkSameRegistry,
  compactManifest,
  formatList,
  formatListed,
  type ListedManifest,
  parseName,
} from "../../manifests/listed.ts";
import { ManifestRegistry } from "../../manifests/registry.ts";
import { ManifestStore } from "../../manifests/store.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] [MANIFEST_LIST] MANIFEST",
  arity: { min: 1, max: 2 },
  flags: {
    insecure: bool("Allow communication with an insecure registry"),
    verbose: bool("Output additional info including layers and platform", { short: "v" }),
  },
  async run(session, { args, flags }) {
    const reference = parseName(args.at(-1) ?? "");
    const store = new ManifestStore(session.globals.config);
    if (args.length === 2) {
      const manifest = store.load(parseName(args[0] ?? ""), reference);
      return print(
        `${flags.verbose ? verbose(manifest) : indentJson(compactManifest(manifest.raw), "\t")}\n`,
      );
    }
    if (store.has(reference)) {
      const list = store.loadList(reference);
      return print(`${flags.verbose ? verboseList(list) : plainList(reference, list)}\n`);
    }
    const registry = new ManifestRegistry(session, flags);
    const found = await registry.find(reference);
    if (found.kind === "manifest") {
      const { manifest } = found;
      const text = Buffer.from(manifest.raw).toString("utf8");
      return print(`${flags.verbose ? verbose(manifest) : indentJson(text, "\t")}\n`);
    }
    const { entries } = found;
    const text = flags.verbose
      ? verboseList(await registry.findAll(reference, entries))
      : formatList(entries).text;
    print(`${text}\n`);
  },
});

function verbose(manifest: ListedManifest): string {
  return indentJson(formatListed(manifest), "\t");
}

function verboseList(list: readonly ListedManifest[]): string {
  return indentJson(`[${list.map(formatListed).join(",")}]`, "\t");
}

function plainList(reference: Reference, list: readonly ListedManifest[]): string {
  try {
    checkSameRegistry(reference, list);
  } catch (error) {
    throw complain(`failed to assemble ManifestDescriptor: ${describeFailure(error)}`);
  }
  return formatList(list).text;
}
