// HTTP to one registry: base address, certificates, authentication by the registry's own challenge, error bodies turned into Faults.
// Source: OCI distribution specification 1.1. The registry is untrusted: bodies that are read whole are bounded.
import { Fault } from "../lib/errors.ts";
import { faultOf } from "./answers.ts";
import { loadCertificates } from "./certificates.ts";
import {
  basic,
  type Challenge,
  fetchToken,
  isFresh,
  parseChallenge,
  type RegistryAuth,
  type Token,
} from "./tokens.ts";

/** How a registry is spoken with. */
export interface RegistryOptions {
  /** Any certificate will do, and http where https is not spoken. */
  readonly isInsecure?: boolean;
  /** Directories with certificates by host, as Docker's certs.d; the first that has some for a host counts. */
  readonly certsDirs?: readonly string[];
  /** Token services are asked for an identity token, too. */
  readonly wantsIdentity?: boolean;
  /** The repositories are of plugins, for which Docker Hub gives tokens of their own. */
  readonly isForPlugins?: boolean;
}

/** Returns what a token service is asked for. */
export function scopeOf(path: string, actions: string, { isForPlugins }: RegistryOptions): string {
  return `repository${isForPlugins === true ? "(plugin)" : ""}:${path}:${actions}`;
}

/** Returns whether plain HTTP may be tried: only for this host itself, as Docker does by default. */
export function isLoopbackRegistry(host: string): boolean {
  const name = host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || name === "::1" || /^127\.\d+\.\d+\.\d+$/.test(name);
}

/** Talks to one registry; keeps the token of each scope. */
export class RegistryTransport {
  readonly #bases: string[];
  readonly #auth: RegistryAuth | undefined;
  readonly #options: RegistryOptions;
  readonly #isInsecure: boolean;
  /** The answer to the registry's challenge by scope: a token, or what never ends. */
  readonly #authorization = new Map<string, Promise<Token>>();
  /** What each scope was asked with, so that a token that ends is followed by the next before anything is refused. */
  readonly #challenges = new Map<string, Challenge>();
  readonly #tls = new Map<string, Promise<object>>();

  /** `address` is host[:port], or a URL for a mirror. Loopback hosts are insecure by default. */
  constructor(address: string, auth?: RegistryAuth, options: RegistryOptions = {}) {
    const isUrl = /^https?:\/\//.test(address);
    const host = address === "docker.io" ? "registry-1.docker.io" : address.replace(/\/+$/, "");
    this.#isInsecure = options.isInsecure === true || (!isUrl && isLoopbackRegistry(host));
    this.#bases = isUrl
      ? [host]
      : this.#isInsecure
        ? [`https://${host}`, `http://${host}`]
        : [`https://${host}`];
    this.#options = options;
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
    const authorization = await this.#current(scope, init.signal ?? undefined);
    let response = await this.#attempt(target, authorization, init);
    const answerer = this.#isOwn(new URL(response.url)) ? "registry" : "other";
    if (response.status === 401 && answerer === "other")
      throw await faultOf(response, pathOf(target), answerer);
    if (response.status === 401 && !(init.body instanceof ReadableStream)) {
      const token = await this.#authorize(response, scope, authorization, init.signal ?? undefined);
      response = await this.#attempt(target, token, init);
    } else if (response.status === 401) this.#authorization.delete(scope);
    if (accepted.includes(response.status)) return response;
    throw await faultOf(response, pathOf(target), answerer);
  }

  /**
   * The credentials are for the registry: a place of its choosing where blobs are kept gets none of them, nor does it say where they are to be
   * shown to get a token.
   */
  #isOwn(url: URL): boolean {
    return this.#bases.some((base) => new URL(base).host === url.host);
  }

  /** What was answered to the registry's challenge before, while it holds. */
  async #known(scope: string): Promise<Token | undefined> {
    const token = await this.#authorization.get(scope)?.catch(() => undefined); // ignored: whoever asked for it hears of it
    return token !== undefined && isFresh(token) ? token : undefined;
  }

  /** The same, or the next answer where the last one has ended; undefined as long as nothing was asked. */
  async #current(scope: string, signal: AbortSignal | undefined): Promise<Token | undefined> {
    const challenge = this.#challenges.get(scope);
    const known = await this.#known(scope);
    if (known !== undefined || challenge === undefined) return known;
    return this.#renew(challenge, scope, signal);
  }

  /** What the token service has given to be used in place of the password, if that was wanted. */
  async identityToken(scope: string): Promise<string | undefined> {
    return (await this.#authorization.get(scope))?.identityToken;
  }

  async #attempt(
    target: string | URL,
    authorization: Token | undefined,
    init: RequestInit,
  ): Promise<Response> {
    const headers = new Headers(init.headers);
    const isOwn = !(target instanceof URL) || this.#isOwn(target);
    if (authorization !== undefined && isOwn) headers.set("Authorization", authorization.text);
    const request = { ...init, headers };
    return target instanceof URL ? this.#fetch(target, request) : this.#fetchBelow(target, request);
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    const tls = await this.#tlsOf(url);
    try {
      return await fetch(url, { ...init, tls } as RequestInit);
    } catch (error) {
      throw unreachable(url.origin, error, init.signal);
    }
  }

  /** Tries the bases one after another and stays with the first that answers. */
  async #fetchBelow(path: string, init: RequestInit): Promise<Response> {
    let failure: unknown;
    for (const base of [...this.#bases]) {
      try {
        const response = await this.#fetch(new URL(`${base}/v2/${path}`), init);
        if (this.#bases.length > 1) this.#bases.splice(0, this.#bases.length, base);
        return response;
      } catch (error) {
        if (init.signal?.aborted) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** Certificates of a host; what is insecure is so for the registry's own host only. */
  #tlsOf(url: URL): Promise<object> {
    let tls = this.#tls.get(url.host);
    if (tls === undefined) {
      const isOwn = this.#bases.some((base) => new URL(base).hostname === url.hostname);
      tls = loadCertificates(this.#options.certsDirs ?? [], url.host).then((certificates) => ({
        ...certificates,
        ...(this.#isInsecure && isOwn ? { rejectUnauthorized: false } : {}),
      }));
      this.#tls.set(url.host, tls);
    }
    return tls;
  }

  /** Answers the WWW-Authenticate challenge of `response` for `scope`; requests that wait for the same answer share it. */
  async #authorize(
    response: Response,
    scope: string,
    refused: Token | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const challenge = parseChallenge(response.headers.get("www-authenticate") ?? "");
    await response.body?.cancel();
    const known = await this.#known(scope);
    if (known !== undefined && known !== refused) return known;
    if (challenge !== null) this.#challenges.set(scope, challenge);
    return this.#renew(challenge, scope, signal);
  }

  #renew(challenge: Challenge | null, scope: string, signal: AbortSignal | undefined): Promise<Token> {
    const answer = this.#answer(challenge, scope, signal);
    this.#authorization.set(scope, answer);
    return answer;
  }

  async #answer(challenge: Challenge | null, scope: string, signal: AbortSignal | undefined): Promise<Token> {
    const forEver = (text: string): Token => ({ text, endsAtMs: Number.POSITIVE_INFINITY });
    if (this.#auth?.registryToken) return forEver(`Bearer ${this.#auth.registryToken}`);
    if (challenge?.scheme === "basic" && this.#auth?.username !== undefined)
      return forEver(basic(this.#auth));
    if (challenge?.scheme !== "bearer")
      throw new Fault("unauthorized", "no basic auth credentials", { code: "registry.unauthorized" });
    const question = { scope, auth: this.#auth, wantsIdentity: this.#options.wantsIdentity === true };
    const token = await fetchToken(challenge.parameters, question, (url, init) =>
      this.#fetch(url, signal === undefined ? init : { ...init, signal }),
    );
    return { ...token, text: `Bearer ${token.text}` };
  }
}

const pathOf = (target: string | URL): string => (target instanceof URL ? target.pathname : target);

function unreachable(base: string, cause: unknown, signal: AbortSignal | null | undefined): Fault {
  if (cause instanceof Fault) return cause;
  if (signal?.aborted) {
    const { reason } = signal;
    return reason instanceof Fault ? reason : new Fault("cancelled", "registry request cancelled", { cause });
  }
  return new Fault("unavailable", `Get "${base}/v2/": ${reasonOf(cause)}`, {
    code: "registry.unreachable",
    cause,
  });
}

/** compat: Docker's words for what certificates are refused for, with what can be done about it. */
function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const code = (cause as { code?: unknown } | null)?.code;
  switch (code) {
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return "tls: failed to verify certificate: x509: certificate signed by unknown authority (its ca.crt can be put into certs.d)";
    case "CERT_HAS_EXPIRED":
      return "tls: failed to verify certificate: x509: certificate has expired or is not yet valid";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `tls: failed to verify certificate: x509: ${text}`;
    default:
      return text;
  }
}
