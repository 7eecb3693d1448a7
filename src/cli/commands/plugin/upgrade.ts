import { pluginInspect, pluginUpgrade } from "../../../api/operations/plugin.ts";
import { messageOf } from "../../../lib/errors.ts";
import { bool } from "../../../lib/flags/spec.ts";
import {
  canonicalString,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../../oci/reference.ts";
import { defineCommand } from "../../command.ts";
import { isConfirmed } from "../../confirm.ts";
import { complain, describeFailure, exitWith } from "../../failure.ts";
import { print } from "../../output.ts";
import { displayOn } from "../../progress/display.ts";
import { grantPrivileges } from "./_grant.ts";

export const command = defineCommand({
  operands: "[OPTIONS] PLUGIN [REMOTE]",
  arity: { min: 1, max: 2 },
  flags: {
    "disable-content-trust": bool("Skip image verification", { initial: true }),
    "grant-all-permissions": bool("Grant all permissions necessary to run the plugin"),
    "skip-remote-check": bool("Do not check if specified remote plugin matches existing plugin image"),
  },
  async run(session, { args, flags }) {
    const client = await session.client();
    const known = await client.call(pluginInspect, { name: args[0] ?? "" }).catch((error: unknown) => {
      throw exitWith(1, `error reading plugin data: ${describeFailure(error)}`);
    });
    if (known.Enabled) throw complain("the plugin must be disabled before upgrading");
    const name = known.Name;
    const given = args[1] ?? known.PluginReference ?? "";
    const remote = referenceOf("remote upgrade", given);
    const old = referenceOf("current", known.PluginReference ?? "");
    print(`Upgrading plugin ${name} from ${familiarString(old)} to ${familiarString(remote)}\n`);
    const isOther = canonicalString(remote) !== canonicalString(old);
    if (
      isOther &&
      !flags["skip-remote-check"] &&
      !(await isConfirmed("Plugin images do not match, are you sure?"))
    )
      throw exitWith(0); // compat: no word
    const isAllGranted = flags["grant-all-permissions"];
    const grant = await grantPrivileges(session, client, given, { isAllGranted });
    const { registryAuth, privileges: body } = grant;
    await displayOn(
      1,
      await client.stream(pluginUpgrade, { name, remote: grant.remote, registryAuth, body }),
    );
    print(`Upgraded plugin ${name} to ${given}\n`);
  },
});

function referenceOf(which: string, text: string): Reference {
  try {
    return withDefaultTag(parseReference(text));
  } catch (error) {
    throw complain(`error parsing ${which} image reference: ${messageOf(error)}`);
  }
}
