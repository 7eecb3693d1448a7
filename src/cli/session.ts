// What a command works with: the program's name, its global options, configuration and the client of the daemon,
// each made when first asked for. It holds no policy of any command.

import { type Client, createClient, parseHost } from "../api/client.ts";
import { Fault } from "../lib/errors.ts";
import type { Proxy } from "../lib/http1/connect.ts";
import { BERTH_VERSION } from "../lib/version.ts";
import { type ConfigFile, loadConfigFile } from "./config/config-file.ts";
import { compareVersions, type Endpoint, resolveEndpoint } from "./config/endpoint.ts";
import { NegotiatingClient } from "./config/negotiating-client.ts";
import type { GlobalFlags } from "./globals.ts";

export class Session {
  /** The name the program goes by: `berth`, or `docker` when invoked under that name. */
  readonly program: string;
  readonly globals: GlobalFlags;
  readonly #given: ReadonlySet<string>;
  #config: Promise<ConfigFile> | undefined;
  #endpoint: Promise<Endpoint> | undefined;
  #client: Promise<Client> | undefined;

  constructor(program: string, globals: GlobalFlags, given: ReadonlySet<string>) {
    this.program = program;
    this.globals = globals;
    this.#given = given;
  }

  /** The user's config.json; empty when there is none. */
  config(): Promise<ConfigFile> {
    this.#config ??= (async () => loadConfigFile(this.globals.config))();
    return this.#config;
  }

  /** Which daemon this session talks to. Throws a Fault when options contradict each other. */
  endpoint(): Promise<Endpoint> {
    this.#endpoint ??= resolveEndpoint({
      globals: this.globals,
      given: this.#given,
      config: () => this.config(),
    });
    return this.#endpoint;
  }

  /** The client, with the API version agreed upon. Throws a Fault when a daemon of the user's choice does not answer. */
  client(): Promise<Client> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async #connect(): Promise<Client> {
    const [endpoint, config] = await Promise.all([this.endpoint(), this.config()]);
    const headers = { "User-Agent": `Berth-Client/${BERTH_VERSION} (linux)`, ...config.HttpHeaders };
    const options = { host: endpoint.host, tls: endpoint.tls, headers, proxy: await proxyOf(endpoint) };
    return endpoint.apiVersion === undefined
      ? new NegotiatingClient(options)
      : createClient({ ...options, version: endpoint.apiVersion });
  }

  /** Returns the API version spoken with the daemon, which is asked for it if need be. */
  async apiVersion(): Promise<string | undefined> {
    const client = await this.client();
    if (client instanceof NegotiatingClient) await client.agree();
    return client.version;
  }

  /** Throws Docker's complaint when the daemon is too old for what is asked. */
  async requireApi(version: string, what: string): Promise<void> {
    const spoken = await this.apiVersion();
    if (spoken === undefined || compareVersions(spoken, version) >= 0) return;
    throw new Fault(
      "invalidParameter",
      `${what} requires API version ${version}, but the Docker daemon API version is ${spoken}`,
      { code: "cli.api-version" },
    );
  }
}

/** compat: Docker's client asks the environment for a proxy when the daemon is reached by TCP. */
async function proxyOf({ host, tls }: Endpoint): Promise<Proxy | undefined> {
  if (host.startsWith("unix://")) return undefined;
  const { env } = process;
  const isNamed = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"].some((name) => env[name]);
  const to = isNamed ? parseHost(host) : undefined;
  if (to === undefined || !("port" in to)) return undefined;
  const { proxyFor } = await import("../lib/http1/proxy.ts");
  return proxyFor({ host: to.host, port: to.port, isTls: tls !== undefined }, env);
}
