// Credentials for registries: config.json's auths, credential stores and per-registry helpers
// (docker-credential-<name>, JSON over stdin and stdout). Secrets never appear in messages.

import { spawnSync } from "node:child_process";
import type { AuthConfig } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { printError } from "../output.ts";
import { type ConfigFile, updateConfigFile } from "./config-file.ts";

/** Docker Hub's key in config.json, kept by Docker for history's sake. */
export const HUB_SERVER = "https://index.docker.io/v1/";

/** Returns the key under which a registry's credentials are stored. */
export function serverKey(domain: string): string {
  return domain === "docker.io" || domain === "index.docker.io" || domain === "" ? HUB_SERVER : domain;
}

/** Returns the host of a stored key (`https://reg.example:5000/v1/` is `reg.example:5000`). */
export function hostOfKey(key: string): string {
  return key.replace(/^https?:\/\//, "").split("/", 1)[0] ?? key;
}

/** Returns the credentials for a registry, empty when there are none. A helper that fails is warned of. */
export function credentialsFor(config: ConfigFile, domain: string): AuthConfig {
  const key = serverKey(domain);
  const helper = helperFor(config, key);
  if (helper !== undefined) return orNone(() => fromHelper(helper, key));
  const auths = config.auths ?? {};
  const match =
    auths[key] === undefined ? Object.keys(auths).find((name) => hostOfKey(name) === hostOfKey(key)) : key;
  return match === undefined ? {} : decodeStored(match, auths[match] ?? {});
}

/** compat: what needs no login goes on without it; Docker does not even say why. */
function orNone<T extends object>(ask: () => T): T | Record<string, never> {
  try {
    return ask();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    printError(`WARNING: going on without a login: ${error.message}\n`);
    return {};
  }
}

/** Returns every registry's credentials by key, as X-Registry-Config carries them. A helper that fails is warned of. */
export function allCredentials(config: ConfigFile): Record<string, AuthConfig> {
  return orNone(() => collectCredentials(config));
}

function collectCredentials(config: ConfigFile): Record<string, AuthConfig> {
  const all: Record<string, AuthConfig> = {};
  const { credsStore: store, auths = {} } = config;
  for (const key of store ? keysIn(store, auths) : Object.keys(auths)) {
    const found = store ? fromHelper(store, key) : decodeStored(key, auths[key] ?? {});
    if (Object.keys(found).length > 0) all[key] = found;
  }
  for (const [key, helper] of Object.entries(config.credHelpers ?? {})) {
    const found = fromHelper(helper, key);
    if (Object.keys(found).length > 0) all[key] = found;
  }
  return all;
}

function helperFor(config: ConfigFile, key: string): string | undefined {
  return (
    config.credHelpers?.[key] ?? config.credHelpers?.[hostOfKey(key)] ?? (config.credsStore || undefined)
  );
}

function decodeStored(key: string, stored: NonNullable<ConfigFile["auths"]>[string]): AuthConfig {
  const pair = Buffer.from(stored.auth ?? "", "base64")
    .toString()
    .replace(/\0+$/, "");
  const colon = pair.indexOf(":");
  return {
    ...(colon < 0 ? {} : { username: pair.slice(0, colon), password: pair.slice(colon + 1) }),
    ...(stored.identitytoken === undefined ? {} : { identitytoken: stored.identitytoken }),
    ...(stored.registrytoken === undefined ? {} : { registrytoken: stored.registrytoken }),
    ...(stored.email === undefined ? {} : { email: stored.email }),
    serveraddress: key,
  };
}

interface HelperAnswer {
  readonly ServerURL?: string;
  readonly Username?: string;
  readonly Secret?: string;
}

/** What is in a store, whoever put it there. */
function keysIn(store: string, auths: NonNullable<ConfigFile["auths"]>): string[] {
  try {
    return Object.keys(JSON.parse(runHelper(store, "list", "unused") || "{}") as Record<string, string>);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return Object.keys(auths); // ignored: not every helper can list, and this is what `login` has put there
  }
}

function runHelper(helper: string, verb: "get" | "store" | "erase" | "list", input: string): string {
  const program = `docker-credential-${helper}`;
  const { status, stdout, error } = spawnSync(program, [verb], {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 20,
  });
  if (error !== undefined) {
    const reason =
      (error as NodeJS.ErrnoException).code === "ENOENT"
        ? "executable file not found in $PATH"
        : error.message;
    throw new Fault(
      "system",
      `error getting credentials - err: exec: ${JSON.stringify(program)}: ${reason}, out: \`\``,
      { code: "credentials.helper", cause: error },
    );
  }
  if (status === 0) return stdout;
  const out = stdout.trim();
  if (/credentials not found in native keychain/.test(out)) return "";
  throw new Fault("system", `error ${verb}ing credentials - err: exit status ${status}, out: \`${out}\``, {
    code: "credentials.helper",
  });
}

function fromHelper(helper: string, key: string): AuthConfig {
  const text = runHelper(helper, "get", key);
  if (text.trim() === "") return {};
  const answer = JSON.parse(text) as HelperAnswer;
  const server = { serveraddress: key };
  // compat: the helper protocol marks identity tokens by this user name.
  if (answer.Username === "<token>") return { identitytoken: answer.Secret ?? "", ...server };
  return { username: answer.Username ?? "", password: answer.Secret ?? "", ...server };
}

/** Returns credentials as config.json has them below `auths`. */
export function storedForm(auth: AuthConfig): NonNullable<ConfigFile["auths"]>[string] {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return auth.identitytoken
    ? { auth: base64(`${auth.username ?? ""}:`), identitytoken: auth.identitytoken }
    : { auth: base64(`${auth.username ?? ""}:${auth.password ?? ""}`) };
}

/** Keeps credentials where config.json says: a helper, a store, or the file itself. Tells whether it was the file. */
export async function storeCredentials(
  configDir: string,
  config: ConfigFile,
  key: string,
  auth: AuthConfig,
): Promise<boolean> {
  const helper = helperFor(config, key);
  const secret = auth.identitytoken ?? auth.password ?? "";
  if (helper !== undefined) {
    const Username = auth.identitytoken ? "<token>" : (auth.username ?? "");
    runHelper(helper, "store", JSON.stringify({ ServerURL: key, Username, Secret: secret }));
    await updateConfigFile(configDir, (file) => ({ ...file, auths: { ...file.auths, [key]: {} } }));
    return false;
  }
  const stored = storedForm(auth);
  await updateConfigFile(configDir, (file) => ({ ...file, auths: { ...file.auths, [key]: stored } }));
  return true;
}

/** Forgets the credentials of a registry. */
export async function eraseCredentials(configDir: string, config: ConfigFile, key: string): Promise<void> {
  const helper = helperFor(config, key);
  if (helper !== undefined) runHelper(helper, "erase", key);
  await updateConfigFile(configDir, (file) => {
    const { [key]: _, ...auths } = file.auths ?? {};
    return { ...file, auths };
  });
}
