import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";
import { parseName } from "../../manifests/listed.ts";
import { ManifestStore } from "../../manifests/store.ts";

export const command = defineCommand({
  operands: "MANIFEST_LIST [MANIFEST_LIST...]",
  arity: atLeast(1),
  flags: {},
  async run({ globals }, { args }) {
    const store = new ManifestStore(globals.config);
    const remove = async (name: string) => {
      const list = parseName(name);
      store.check(list);
      store.remove(list);
    };
    await runEach(args, remove, { isSilent: true });
  },
});
