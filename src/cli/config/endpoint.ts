// Which daemon to talk to: -H, --context, BERTH_HOST, DOCKER_HOST, DOCKER_CONTEXT, config.json's current context, and
// last Berth's own socket, in that order; and which API version to speak with it.

import { Fault } from "../../lib/errors.ts";
import type { TlsClient } from "../../lib/http1/connect.ts";
import { DEFAULT_HOST } from "../failure.ts";
import type { GlobalFlags } from "../globals.ts";
import type { ConfigFile } from "./config-file.ts";

/**
 * Newest API version this client speaks: that of Docker's CLI 28, whose output it reproduces. From 1.52 on `inspect` lacks
 * fields that scripts read (NetworkSettings.IPAddress).
 */
export const CLIENT_API_VERSION = "1.51";

/** What Docker says before the reason why it does not know which daemon to talk to. */
export const UNRESOLVED = "Failed to initialize: unable to resolve docker endpoint: ";

export interface Endpoint {
  readonly host: string;
  readonly tls: TlsClient | undefined;
  /** Name of the context the host came from. */
  readonly context: string;
  /** Version demanded by DOCKER_API_VERSION. */
  readonly apiVersion: string | undefined;
  /** True for Berth's own socket when nobody chose it. */
  readonly isOwnDefault: boolean;
}

export interface EndpointInput {
  readonly globals: GlobalFlags;
  readonly given: ReadonlySet<string>;
  readonly config: () => Promise<ConfigFile>;
}

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.endpoint" });
}

/** Returns the name of the context in force. Throws a Fault for contradicting options. */
export async function resolveContextName({ globals, config }: EndpointInput): Promise<string> {
  if (globals.context !== "" && globals.host.length > 0) {
    throw refuse("conflicting options: cannot specify both --host and --context");
  }
  if (globals.context !== "") return globals.context;
  if (globals.host.length > 0 || environmentHost() !== undefined) return "default";
  const chosen = process.env["DOCKER_CONTEXT"] ?? "";
  if (chosen !== "") return chosen;
  return (await config()).currentContext || "default";
}

/** Returns the host named by the environment. */
export function environmentHost(): string | undefined {
  return process.env["BERTH_HOST"] || process.env["DOCKER_HOST"] || undefined;
}

/** Resolves the daemon to talk to. Throws a Fault with Docker's text. */
export async function resolveEndpoint(input: EndpointInput): Promise<Endpoint> {
  const { globals, given } = input;
  const apiVersion = process.env["DOCKER_API_VERSION"]?.replace(/^v/, "") || undefined;
  const context = await resolveContextName(input);
  if (context !== "default") {
    const [{ loadContext }, { tlsOfContext }] = await Promise.all([
      import("../contexts/read.ts"),
      import("./tls.ts"),
    ]);
    const { host: stored, meta } = resolved(() => loadContext(globals.config, context));
    const tls = tlsOfContext(globals.config, context, meta.Endpoints.docker?.SkipTLSVerify === true);
    return { host: normaliseHost(stored, tls !== undefined), tls, context, apiVersion, isOwnDefault: false };
  }
  const tls = wantsTls(globals) ? (await import("./tls.ts")).tlsOfFlags(globals, given) : undefined;
  const chosen = globals.host[0] ?? environmentHost();
  const host = chosen === undefined ? DEFAULT_HOST : normaliseHost(chosen, tls !== undefined);
  return { host, tls, context, apiVersion, isOwnDefault: chosen === undefined };
}

function resolved<T>(find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(error.kind, `${UNRESOLVED}${error.message}`, { code: error.code, cause: error });
  }
}

/** Without loading what reads certificates, because every command asks. */
function wantsTls(globals: GlobalFlags): boolean {
  return globals.tls || globals.tlsverify;
}

/** Completes a host as Docker does: `foo` is tcp://foo:2375 (2376 with TLS), `unix://` Berth's socket. Throws a Fault. */
export function normaliseHost(text: string, hasTls = false): string {
  const value = text.trim();
  if (value === "") return DEFAULT_HOST;
  const colon = value.indexOf("://");
  const scheme = colon < 0 ? "tcp" : value.slice(0, colon);
  const rest = colon < 0 ? value : value.slice(colon + 3);
  switch (scheme) {
    case "unix":
      return rest === "" ? DEFAULT_HOST : `unix://${rest}`;
    case "http":
    case "tcp": {
      const address = rest === "" ? "localhost" : rest;
      return `tcp://${/:\d+(?:\/.*)?$/.test(address) ? address : `${address}:${hasTls ? 2376 : 2375}`}`;
    }
    case "ssh":
      return value;
    default:
      throw new Fault("invalidParameter", `${UNRESOLVED}invalid bind address format: ${value}`, {
        code: "cli.endpoint",
      });
  }
}

/** Compares `major.minor` versions. */
export function compareVersions(a: string, b: string): number {
  const [x = 0, y = 0] = a.split(".").map(Number);
  const [u = 0, v = 0] = b.split(".").map(Number);
  return x - u || y - v;
}
