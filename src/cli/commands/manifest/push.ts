import { bool } from "../../../lib/flags/spec.ts";
import { canonicalString } from "../../../oci/reference.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";
import { parseName } from "../../manifests/listed.ts";
import { ManifestRegistry } from "../../manifests/registry.ts";
import { ManifestStore } from "../../manifests/store.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] MANIFEST_LIST",
  arity: exactly(1),
  flags: {
    insecure: bool("Allow push to an insecure registry"),
    purge: bool("Remove the local manifest list after push", { short: "p" }),
  },
  async run(session, { args, flags }) {
    const list = parseName(args[0] ?? "");
    const store = new ManifestStore(session.globals.config);
    const manifests = store.loadList(list);
    if (manifests.length === 0) throw complain(`${canonicalString(list)} not found`);
    const registry = new ManifestRegistry(session, flags);
    const digest = await registry.push(list, manifests, (reference, pushed) =>
      print(`Pushed ref ${canonicalString(reference)} with digest: ${pushed}\n`),
    );
    print(`${digest}\n`);
    if (flags.purge) store.remove(list);
  },
});
