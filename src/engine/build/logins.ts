// What a build's user logs in with at registries: the request's own credentials, or those that his session gives.
import type { AuthConfig } from "../../api/contract.ts";

/** Names under which clients keep what they log in to Docker Hub with. */
const HUB = ["docker.io", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"];

/** Returns the credentials for a registry among those of X-Registry-Config. */
export function authOf(
  config: Readonly<Record<string, AuthConfig>>,
  domain: string,
): Readonly<Record<string, string>> | undefined {
  const names = HUB.includes(domain) ? HUB : [domain, `https://${domain}`];
  const found = names.map((name) => config[name]).find((auth) => auth !== undefined);
  return found as Readonly<Record<string, string>> | undefined;
}

/** Returns what a session gave, as an AuthConfig. */
export async function loginOf(
  login: Promise<{ username: string; secret: string } | undefined> | undefined,
): Promise<Readonly<Record<string, string>> | undefined> {
  const known = await login;
  if (known === undefined) return undefined;
  // compat: a client with an identity token gives it without a name.
  return known.username === ""
    ? { identitytoken: known.secret }
    : { username: known.username, password: known.secret };
}
