// What the command line does for Compose: build contexts, credentials, proxies, output.

import type { Client } from "../../../api/client.ts";
import type { Ports } from "../../../compose/execute/work.ts";
import { parseReference } from "../../../oci/reference.ts";
import { locateContext } from "../../build/locate.ts";
import { packContext } from "../../build/pack.ts";
import type { BuildReport } from "../../build/with-session.ts";
import { type ConfigFile } from "../../config/config-file.ts";
import { allCredentials, credentialsFor } from "../../config/credentials.ts";
import { proxyVariables } from "../../config/proxies.ts";
import type { Session } from "../../session.ts";

/** A name that no file of a context has. */
const OUTSIDE = ".dockerfile.compose";

/** Makes the ports of a command. */
export function composePorts(session: Session, config: ConfigFile, client: Client): Ports {
  return {
    packContext(path, file) {
      const located = locateContext(path, typeof file === "string" ? file : "-");
      const { directory, dockerfile } = located;
      if (dockerfile !== undefined) return { body: packContext({ directory, dockerfile }), dockerfile };
      const content = typeof file === "string" ? located.outside : Buffer.from(file.content);
      const extra = new Map([[OUTSIDE, content ?? new Uint8Array(0)]]);
      return { body: packContext({ directory, dockerfile: OUTSIDE, extra }), dockerfile: OUTSIDE };
    },
    buildWithSession: (context, options, write) => build(session, context, options, { write }),
    async checkBuild(context, options) {
      let found = { text: "", isGood: true };
      await build(session, context, [...options, "--check", "--progress=quiet"], {
        write: () => {},
        onAnswer: ({ text, error = "", exitCode }) => {
          found = { text: text + error, isGood: exitCode === 0 };
        },
      });
      return found;
    },
    registryAuth: (image) => credentialsFor(config, parseReference(image).domain),
    registryConfig: () => allCredentials(config),
    proxies: () => proxyVariables(config, client.host, new Set()),
  };
}

async function build(
  session: Session,
  context: string,
  options: readonly string[],
  report: Partial<BuildReport>,
): Promise<void> {
  const [{ buildFlags }, { buildWithSession }, { parseFlags }] = await Promise.all([
    import("../../build/flags.ts"),
    import("../../build/with-session.ts"),
    import("../../../lib/flags/parse.ts"),
  ]);
  await buildWithSession(session, context, parseFlags(buildFlags, options).values, report);
}
