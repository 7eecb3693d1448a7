// Certificates for a daemon behind TLS: those that the options name, or those that a context keeps.

import { readFileSync } from "node:fs";
import { Fault } from "../../lib/errors.ts";
import type { TlsClient } from "../../lib/http1/connect.ts";
import { loadTlsFiles } from "../contexts/read.ts";
import type { GlobalFlags } from "../globals.ts";
import { errnoText } from "../options/env.ts";
import { UNRESOLVED } from "./endpoint.ts";

/**
 * Returns what `--tls*` and DOCKER_CERT_PATH say. Certificate and key may be missing in their default places; what was asked for has to be
 * there, and so, with Docker, the authority's certificate, although it is used with `--tlsverify` only. Throws a Fault with Docker's text.
 */
export function tlsOfFlags(globals: GlobalFlags, given: ReadonlySet<string>): TlsClient {
  const read = (flag: "tlscacert" | "tlscert" | "tlskey"): string | undefined => {
    const path = globals[flag];
    if (path === "") return undefined;
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      const mayBeMissing = flag !== "tlscacert" && !given.has(flag);
      if (mayBeMissing && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw refuse(`${UNRESOLVED}open ${path}: ${errnoText(error)}`);
    }
  };
  const [ca, cert, key] = [read("tlscacert"), read("tlscert"), read("tlskey")];
  checkAuthority(ca);
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
  checkAuthority(text("ca.pem"));
  return { ca: text("ca.pem"), cert: text("cert.pem"), key: text("key.pem"), skipVerify };
}

function checkAuthority(ca: string | undefined): void {
  if (ca === undefined || ca.includes("-----BEGIN CERTIFICATE-----")) return;
  throw refuse("Failed to initialize: failed to retrieve context tls info: ca.pem seems invalid");
}

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.endpoint" });
}
