// What `install` and `upgrade` have in common: the privileges of a plugin in a registry, granted at the terminal.

import type { Client } from "../../../api/client.ts";
import type { AuthConfig } from "../../../api/contract.ts";
import { getPluginPrivileges } from "../../../api/operations/plugin.ts";
import type { PluginPrivilege } from "../../../lib/plugin-protocol/config.ts";
import { canonicalString, parseReference } from "../../../oci/reference.ts";
import { isConfirmed } from "../../confirm.ts";
import { credentialsFor } from "../../config/credentials.ts";
import { complain } from "../../failure.ts";
import { print } from "../../output.ts";
import type { Session } from "../../session.ts";

/** A plugin that may be pulled. */
export interface Grant {
  readonly remote: string;
  readonly registryAuth: AuthConfig;
  readonly privileges: PluginPrivilege[];
}

/** Asks for what the plugin wants, unless all is granted. Throws a Fault with Docker's sentence when it is refused. */
export async function grantPrivileges(
  session: Session,
  client: Client,
  name: string,
  { isAllGranted }: { isAllGranted: boolean },
): Promise<Grant> {
  const reference = parseReference(name);
  const remote = canonicalString(reference);
  const registryAuth = credentialsFor(await session.config(), reference.domain);
  const privileges = await client.call(getPluginPrivileges, { remote, registryAuth });
  if (!isAllGranted && privileges.length > 0) {
    print(`Plugin ${JSON.stringify(name)} is requesting the following privileges:\n`);
    for (const { Name, Value } of privileges) print(` - ${Name}: [${(Value ?? []).join(" ")}]\n`);
    if (!(await isConfirmed("Do you grant the above permissions?")))
      throw complain(`permission denied while installing plugin ${remote}`);
  }
  return { remote, registryAuth, privileges };
}
