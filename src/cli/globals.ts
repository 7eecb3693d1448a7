// The options that stand before the command: which daemon, which configuration.

import { bool, custom, type FlagValues, invalidValue, string } from "../lib/flags/spec.ts";

/** Without HOME, root's: node:os would know better, but every command would pay for loading it. */
const dockerHome = process.env["DOCKER_CONFIG"] ?? `${process.env["HOME"] ?? "/root"}/.docker`;

/** Where certificates are looked for. */
const certHome = process.env["DOCKER_CERT_PATH"] || dockerHome;

/** compat: any text switches it on. */
const isSet = (name: string): boolean => (process.env[name] ?? "") !== "";

function oneHost(text: string, previous: readonly string[] | undefined): readonly string[] {
  if (previous !== undefined) throw invalidValue("specify only one -H");
  return [text];
}

export const globalFlags = {
  config: string("Location of client config files", { initial: dockerHome }),
  context: string("Name of the context to use (overrides the host variables and the current context)", {
    short: "c",
  }),
  debug: bool("Print debugging information", { short: "D" }),
  host: custom<readonly string[]>("list", "Daemon to connect to", [], oneHost, { short: "H" }),
  "log-level": string('Log level ("debug", "info", "warn", "error", "fatal")', {
    short: "l",
    initial: "info",
  }),
  tls: bool("Use TLS; implied by --tlsverify", { initial: isSet("DOCKER_TLS"), defaultText: "" }),
  tlscacert: string("Trust certificates signed by this CA only", { initial: `${certHome}/ca.pem` }),
  tlscert: string("TLS certificate file", { initial: `${certHome}/cert.pem` }),
  tlskey: string("TLS key file", { initial: `${certHome}/key.pem` }),
  tlsverify: bool("Use TLS and verify the daemon", {
    initial: isSet("DOCKER_TLS_VERIFY"),
    defaultText: "",
  }),
  version: bool("Print version information and quit", { short: "v" }),
};

export type GlobalFlags = FlagValues<typeof globalFlags>;
