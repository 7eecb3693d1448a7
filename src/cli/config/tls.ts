// Certificates for a daemon behind TLS: those that the options name, or those that a context keeps.

import { readFileSync } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import type { TlsClient } from "../../lib/http1/connect.ts";
import { loadTlsFiles } from "../contexts/read.ts";
import type { GlobalFlags } from "../globals.ts";
import { errnoText } from "../options/env.ts";

/**
 * Returns what `--tls*` and DOCKER_CERT_PATH say. Of the files in the default places those that are missing are left out; one that
 * was asked for has to be there. Throws a Fault with Docker's text.
 */
export function tlsOfFlags(globals: GlobalFlags, given: ReadonlySet<string>): TlsClient {
  const read = (flag: "tlscacert" | "tlscert" | "tlskey"): string | undefined => {
    const path = globals[flag];
    if (path === "") return undefined;
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      if (!given.has(flag) && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw refuse(
        `Failed to initialize: unable to resolve docker endpoint: open ${path}: ${errnoText(error)}`,
      );
    }
  };
  const [ca, cert, key] = [read("tlscacert"), read("tlscert"), read("tlskey")];
  return { ca: globals.tlsverify ? ca : undefined, cert, key, skipVerify: !globals.tlsverify };
}

/** Returns what a context keeps for its daemon; undefined when that does not want TLS. */
export function tlsOfContext(configDir: string, name: string, skipVerify: boolean): TlsClient | undefined {
  const files = loadTlsFiles(configDir, name).get("docker");
  if (files === undefined && !skipVerify) return undefined;
  const text = (file: string): string | undefined => {
    const bytes = files?.get(file);
    return bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");
  };
  return { ca: text("ca.pem"), cert: text("cert.pem"), key: text("key.pem"), skipVerify };
}

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.endpoint" });
}
