// HTTP to one registry: base address, authentication by the registry's own challenge, error bodies turned into Faults.
// Source: OCI distribution specification 1.1; token protocol: the distribution project's "Docker Registry v2
// authentication". The registry is untrusted: bodies that are read whole are bounded, realms must be http(s).
import { Fault } from "../lib/errors.ts";

/** Credentials for a registry as clients send them (Engine API `X-Registry-Auth`). */
export interface RegistryAuth {
  username?: string;
  password?: string;
  identityToken?: string;
  registryToken?: string;
}

const MAX_TEXT = 8 * 1024 * 1024;

/** Returns whether plain HTTP may be tried: only for this host itself, as Docker does by default. */
export function isLoopbackRegistry(host: string): boolean {
  const name = host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || name === "::1" || /^127\.\d+\.\d+\.\d+$/.test(name);
}

/** Talks to one registry; keeps the token of each scope. */
export class RegistryTransport {
  readonly #bases: string[];
  readonly #auth: RegistryAuth | undefined;
  readonly #authorization = new Map<string, string>();
  readonly #tls: RequestInit;

  /**
   * `address` is host[:port], or a URL for a mirror. For loopback hosts, and where `isInsecure` says so, any certificate will
   * do, and http where https is not spoken.
   */
  constructor(address: string, auth?: RegistryAuth, options: { isInsecure?: boolean } = {}) {
    const isUrl = /^https?:\/\//.test(address);
    const host = address === "docker.io" ? "registry-1.docker.io" : address.replace(/\/+$/, "");
    const isInsecure = options.isInsecure === true || (!isUrl && isLoopbackRegistry(host));
    this.#bases = isUrl ? [host] : isInsecure ? [`https://${host}`, `http://${host}`] : [`https://${host}`];
    this.#tls = isInsecure ? ({ tls: { rejectUnauthorized: false } } as RequestInit) : {};
    this.#auth = auth;
  }

  /** Where the registry is; the latest that answered. */
  get base(): string {
    return this.#bases.at(-1) ?? "";
  }

  /**
   * Sends a request below /v2/, or to a URL that the registry gave, and returns the response when its status is one of
   * `accepted`; otherwise throws the Fault that the registry's error body names. `scope` such as
   * `repository:library/debian:pull`, several of them separated by blanks. A body that is a stream is sent once: a
   * token that has run out meanwhile is then a Fault.
   */
  async send(
    target: string | URL,
    scope: string,
    init: RequestInit & { signal?: AbortSignal | null },
    accepted: readonly number[] = [200],
  ): Promise<Response> {
    let response = await this.#attempt(target, scope, init);
    if (response.status === 401 && !(init.body instanceof ReadableStream)) {
      await this.#authorize(response, scope, init.signal ?? undefined);
      response = await this.#attempt(target, scope, init);
    }
    if (accepted.includes(response.status)) return response;
    throw await faultOf(response, target instanceof URL ? target.pathname : target);
  }

  #attempt(target: string | URL, scope: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    const authorization = this.#authorization.get(scope);
    // The credentials are for the registry: a place of its choosing where blobs are kept gets none of them.
    const isOwn = !(target instanceof URL) || this.#bases.some((base) => new URL(base).host === target.host);
    if (authorization !== undefined && isOwn) headers.set("Authorization", authorization);
    const request = { ...init, ...(isOwn ? this.#tls : {}), headers };
    return target instanceof URL ? this.#fetch(target, request) : this.#fetchBelow(target, request);
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (error) {
      throw unreachable(url.origin, error, init.signal);
    }
  }

  /** Tries the bases one after another and stays with the first that answers. */
  async #fetchBelow(path: string, init: RequestInit): Promise<Response> {
    let failure: unknown;
    for (const base of [...this.#bases]) {
      try {
        const response = await fetch(`${base}/v2/${path}`, init);
        if (this.#bases.length > 1) this.#bases.splice(0, this.#bases.length, base);
        return response;
      } catch (error) {
        if (init.signal?.aborted) throw unreachable(base, error, init.signal);
        failure = error;
      }
    }
    throw unreachable(this.#bases.at(-1) ?? "", failure, init.signal);
  }

  /** Answers the WWW-Authenticate challenge of `response` for `scope`. */
  async #authorize(response: Response, scope: string, signal: AbortSignal | undefined): Promise<void> {
    const challenge = parseChallenge(response.headers.get("www-authenticate") ?? "");
    await response.body?.cancel();
    if (this.#auth?.registryToken)
      return void this.#authorization.set(scope, `Bearer ${this.#auth.registryToken}`);
    if (challenge?.scheme === "basic" && this.#auth?.username !== undefined)
      return void this.#authorization.set(scope, basic(this.#auth));
    if (challenge?.scheme !== "bearer")
      throw new Fault("unauthorized", "no basic auth credentials", { code: "registry.unauthorized" });
    this.#authorization.set(scope, `Bearer ${await this.#fetchToken(challenge.parameters, scope, signal)}`);
  }

  async #fetchToken(
    parameters: ReadonlyMap<string, string>,
    scope: string,
    signal?: AbortSignal,
  ): Promise<string> {
    const realm = parameters.get("realm") ?? "";
    if (!/^https?:\/\//.test(realm))
      throw new Fault("system", `registry sent an invalid token realm "${realm}"`, {
        code: "registry.protocol",
      });
    const service = parameters.get("service") ?? "";
    const init: RequestInit = signal === undefined ? {} : { signal };
    let response: Response;
    if (this.#auth?.identityToken) {
      const form = {
        grant_type: "refresh_token",
        refresh_token: this.#auth.identityToken,
        service,
        scope,
        client_id: "berth",
      };
      response = await fetch(realm, { ...init, method: "POST", body: new URLSearchParams(form) });
    } else {
      const url = new URL(realm);
      if (service !== "") url.searchParams.set("service", service);
      for (const one of scope.split(" ").filter((text) => text !== "")) url.searchParams.append("scope", one);
      if (this.#auth?.username !== undefined) {
        url.searchParams.set("account", this.#auth.username);
        init.headers = { Authorization: basic(this.#auth) };
      }
      response = await fetch(url, init);
    }
    if (!response.ok) throw await faultOf(response, realm);
    const body = JSON.parse(await readText(response)) as { token?: string; access_token?: string };
    const token = body.token ?? body.access_token;
    if (!token)
      throw new Fault("unauthorized", "authorization server did not include a token in the response", {
        code: "registry.protocol",
      });
    return token;
  }
}

function unreachable(base: string, cause: unknown, signal: AbortSignal | null | undefined): Fault {
  if (cause instanceof Fault) return cause;
  if (signal?.aborted) return new Fault("cancelled", "registry request cancelled", { cause });
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Fault("unavailable", `Get "${base}/v2/": ${reason}`, { code: "registry.unreachable", cause });
}

const basic = (auth: RegistryAuth): string =>
  `Basic ${Buffer.from(`${auth.username}:${auth.password ?? ""}`).toString("base64")}`;

/** Parses `Bearer realm="…",service="…"` (RFC 9110, section 11.6.1). */
export function parseChallenge(header: string): { scheme: string; parameters: Map<string, string> } | null {
  const m = /^\s*([A-Za-z]+)(?:\s+(.*))?$/s.exec(header);
  if (m === null) return null;
  const parameters = new Map<string, string>();
  for (const p of (m[2] ?? "").matchAll(/([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g))
    parameters.set((p[1] as string).toLowerCase(), p[2]?.replace(/\\(.)/g, "$1") ?? (p[3] as string));
  return { scheme: (m[1] as string).toLowerCase(), parameters };
}

/** Reads a body as text; throws Fault(system) when it is longer than `limit` bytes. */
export async function readText(response: Response, limit = MAX_TEXT): Promise<string> {
  return Buffer.from(await readBytes(response, limit)).toString("utf8");
}

/** Reads a body whole; throws Fault(system) when it is longer than `limit` bytes. */
export async function readBytes(response: Response, limit = MAX_TEXT): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > limit)
      throw new Fault("system", `registry sent more than ${limit} bytes for ${response.url}`, {
        code: "registry.too-large",
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const KIND_OF_STATUS = {
  401: "unauthorized",
  403: "forbidden",
  404: "notFound",
  429: "unavailable",
} as const;

/** Returns the Fault for an error response, with the registry's own code and message where it sent them. */
async function faultOf(response: Response, what: string): Promise<Fault> {
  const text = await readText(response, 64 * 1024).catch(() => ""); // ignored: the status alone says enough
  let detail = "";
  try {
    const errors = (JSON.parse(text) as { errors?: { code?: string; message?: string }[] }).errors;
    detail = (errors ?? [])
      .map((e) => `${(e.code ?? "").toLowerCase().replaceAll("_", " ")}: ${e.message ?? ""}`)
      .join("; ");
  } catch {
    detail = text.slice(0, 200).trim(); // ignored: not every server answers in the registry's JSON
  }
  const kind =
    KIND_OF_STATUS[response.status as keyof typeof KIND_OF_STATUS] ??
    (response.status >= 500 ? "unavailable" : "system");
  return new Fault(kind, detail === "" ? `registry answered ${response.status} for ${what}` : detail, {
    code: `registry.status-${response.status}`,
    detail: { status: response.status },
  });
}
