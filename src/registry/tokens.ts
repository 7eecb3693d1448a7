// Tokens of a registry's token service (the distribution project's "Docker Registry v2 authentication"): fetched for what is to be done,
// by name and password, with an identity token, or for nobody; kept until shortly before they end. The realm is the registry's word, so
// it has to be http(s).
import { Fault } from "../lib/errors.ts";
import { faultOf, readText } from "./answers.ts";

/** Credentials for a registry as clients send them (Engine API `X-Registry-Auth`). */
export interface RegistryAuth {
  username?: string;
  password?: string;
  identityToken?: string;
  registryToken?: string;
}

export interface Token {
  readonly text: string;
  /** Milliseconds since the epoch. */
  readonly endsAtMs: number;
  /** What the service takes from now on in place of the password, where it was asked for that and gives it. */
  readonly identityToken?: string;
}

/** What a token is for. */
export interface TokenQuestion {
  readonly scope: string;
  readonly auth: RegistryAuth | undefined;
  /** An identity token is asked for, too. */
  readonly wantsIdentity: boolean;
}

const CLIENT_ID = "berth";
/** compat: what a token lives when its service does not say. */
const DEFAULT_SECONDS = 60;
/** A token that ends within this time may not live until the request is read. */
const MARGIN_MS = 10_000;

/** Asks a token service; `get` makes the request with the settings of the service's host. */
export async function fetchToken(
  parameters: ReadonlyMap<string, string>,
  question: TokenQuestion,
  get: (url: URL, init: RequestInit) => Promise<Response>,
): Promise<Token> {
  const realm = parameters.get("realm") ?? "";
  const url = URL.parse(realm);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Fault("system", `registry sent an invalid token realm "${realm.slice(0, 200)}"`, {
      code: "registry.protocol",
    });
  const service = parameters.get("service") ?? "";
  const { scope, auth } = question;
  // A redirect would take the body, and with it the identity token, wherever the service says.
  const response = await (auth?.identityToken
    ? get(url, { method: "POST", redirect: "manual", body: refreshForm(auth.identityToken, service, scope) })
    : get(withQuestion(url, service, question), { headers: basicHeaders(auth) }));
  if (!response.ok) throw await faultOf(response, realm, "service");
  return tokenOf(await readText(response));
}

function refreshForm(identityToken: string, service: string, scope: string): URLSearchParams {
  return new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: identityToken,
    service,
    scope,
    client_id: CLIENT_ID,
  });
}

function withQuestion(realm: URL, service: string, { scope, auth, wantsIdentity }: TokenQuestion): URL {
  const url = new URL(realm);
  if (service !== "") url.searchParams.set("service", service);
  for (const one of scope.split(" ").filter((text) => text !== "")) url.searchParams.append("scope", one);
  if (auth?.username !== undefined) url.searchParams.set("account", auth.username);
  if (wantsIdentity) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", CLIENT_ID);
  }
  return url;
}

function tokenOf(text: string): Token {
  let body: { token?: unknown; access_token?: unknown; expires_in?: unknown; refresh_token?: unknown };
  try {
    body = JSON.parse(text) as typeof body;
  } catch (cause) {
    throw new Fault("system", "the authorization server sent something that is not its JSON", {
      code: "registry.protocol",
      cause,
    });
  }
  const token = body.token ?? body.access_token;
  if (typeof token !== "string" || token === "")
    throw new Fault("unauthorized", "authorization server did not include a token in the response", {
      code: "registry.protocol",
    });
  const seconds =
    typeof body.expires_in === "number" ? Math.max(body.expires_in, DEFAULT_SECONDS) : DEFAULT_SECONDS;
  const { refresh_token: identity } = body;
  const isGiven = typeof identity === "string" && identity !== "";
  return {
    text: token,
    endsAtMs: Date.now() + seconds * 1000,
    ...(isGiven ? { identityToken: identity } : {}),
  };
}

export const isFresh = (token: Token): boolean => token.endsAtMs - MARGIN_MS > Date.now();

export const basic = (auth: RegistryAuth): string =>
  `Basic ${Buffer.from(`${auth.username}:${auth.password ?? ""}`).toString("base64")}`;

const basicHeaders = (auth: RegistryAuth | undefined): Record<string, string> =>
  auth?.username === undefined ? {} : { Authorization: basic(auth) };

/** What a registry wants to know. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Parses `Bearer realm="…",service="…"` (RFC 9110, section 11.6.1). */
export function parseChallenge(header: string): Challenge | null {
  const m = /^\s*([A-Za-z]+)(?:\s+(.*))?$/s.exec(header);
  if (m === null) return null;
  const parameters = new Map<string, string>();
  for (const p of (m[2] ?? "").matchAll(/([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g))
    parameters.set((p[1] as string).toLowerCase(), p[2]?.replace(/\\(.)/g, "$1") ?? (p[3] as string));
  return { scheme: (m[1] as string).toLowerCase(), parameters };
}
