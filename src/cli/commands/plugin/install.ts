import { pluginEnable, pluginPull, pluginSet } from "../../../api/operations/plugin.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { localName, pulledName } from "../../../oci/plugin-name.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { print } from "../../output.ts";
import { displayOn } from "../../progress/display.ts";
import { grantPrivileges } from "./_grant.ts";

export const command = defineCommand({
  operands: "[OPTIONS] PLUGIN [KEY=VALUE...]",
  arity: atLeast(1),
  flags: {
    alias: string("Local name for plugin"),
    disable: bool("Do not enable the plugin on install"),
    "disable-content-trust": bool("Skip image verification", { initial: true }),
    "grant-all-permissions": bool("Grant all permissions necessary to run the plugin"),
  },
  async run(session, { args, flags }) {
    const [plugin = "", ...settings] = args;
    const alias = flags.alias === "" ? undefined : localName(flags.alias, `invalid name: ${flags.alias}`);
    const client = await session.client();
    const isAllGranted = flags["grant-all-permissions"];
    const { remote, registryAuth, privileges } = await grantPrivileges(session, client, plugin, {
      isAllGranted,
    });
    await displayOn(
      1,
      await client.stream(pluginPull, { remote, name: alias, registryAuth, body: privileges }),
    );
    const name = pulledName(remote, alias);
    if (settings.length > 0) await client.call(pluginSet, { name, body: settings });
    if (!flags.disable) await client.call(pluginEnable, { name, timeout: 0 });
    print(`Installed plugin ${plugin}\n`);
  },
});
