// Docker's authorisation plugins: each is asked before a request runs (AuthZPlugin.AuthZReq) and before its answer is sent
// (AuthZPlugin.AuthZRes), and one refusal is enough. Whatever goes wrong refuses: a plugin that is not there, that does not answer,
// that says something else. The plugin gets the JSON body whole, as the operation will: there is no size from which on it is left
// out (CVE-2024-41110, CVE-2026-34040). Streams of bytes (archives) and credentials (/auth) are not shown, as with Docker.

import type { IncomingMessage } from "node:http";
import { Fault, messageOf } from "../../lib/errors.ts";
import { callPlugin } from "../../lib/plugin-protocol/client.ts";
import type { PluginLookup, PluginPlace } from "../../lib/plugin-protocol/lookup.ts";
import { type Gate, type GatedAnswer, type GatedRequest, peerCertificate, tlsNameOf } from "./gate.ts";

const TIMEOUT_MS = 30_000;
/** compat: credentials are for registries, not for plugins. */
const HIDDEN_HEADERS = ["x-registry-auth", "x-registry-config"];

export interface AuthorizationOptions {
  /** In the order in which they are asked. */
  readonly plugins: readonly string[];
  readonly lookup: PluginLookup;
}

export class Authorization implements Gate {
  /** May be changed while the daemon runs. */
  plugins: readonly string[];
  readonly #lookup: PluginLookup;
  /** Those that run by themselves and have said that they authorise. */
  readonly #active = new Map<string, PluginPlace>();

  constructor({ plugins, lookup }: AuthorizationOptions) {
    this.plugins = plugins;
    this.#lookup = lookup;
  }

  get isIdle(): boolean {
    return this.plugins.length === 0;
  }

  async admit(request: GatedRequest): Promise<void> {
    if (this.isIdle) return;
    const asked = requestOf(request);
    for (const name of this.plugins) await this.#ask(name, "AuthZPlugin.AuthZReq", asked);
  }

  async review(request: GatedRequest, answer: GatedAnswer): Promise<void> {
    if (this.isIdle) return;
    const asked = {
      ...requestOf(request),
      ResponseBody: Buffer.from(answer.body).toString("base64"),
      ResponseHeaders: answer.headers,
      ResponseStatusCode: answer.status,
    };
    // compat: the last one is asked first.
    for (const name of [...this.plugins].reverse()) await this.#ask(name, "AuthZPlugin.AuthZRes", asked);
  }

  async #ask(name: string, method: string, asked: Readonly<Record<string, unknown>>): Promise<void> {
    let reply: Readonly<Record<string, unknown>>;
    try {
      reply = await callPlugin((await this.#place(name)).endpoint, method, asked, TIMEOUT_MS);
    } catch (error) {
      this.#active.delete(name);
      throw new Fault("system", `plugin ${name} failed with error: ${messageOf(error)}`, {
        code: "authz.failed",
        cause: error,
      });
    }
    if (reply["Allow"] === true) return;
    const said = typeof reply["Msg"] === "string" ? reply["Msg"] : "";
    throw new Fault("forbidden", `authorization denied by plugin ${name}: ${said}`, { code: "authz.denied" });
  }

  async #place(name: string): Promise<PluginPlace> {
    const known = this.#active.get(name);
    if (known !== undefined) return known;
    const place = await this.#lookup.find(name, "authz");
    if (place === undefined)
      throw new Fault("unavailable", `plugin ${JSON.stringify(name)} not found`, { code: "authz.missing" });
    // A managed one may be disabled at any time, and is no further away than its record.
    if (place.isManaged) return place;
    const { Implements } = await callPlugin(place.endpoint, "Plugin.Activate", undefined, TIMEOUT_MS);
    if (!Array.isArray(Implements) || !Implements.includes("authz"))
      throw new Fault("unavailable", `plugin ${JSON.stringify(name)} does not implement authz`, {
        code: "authz.missing",
      });
    this.#active.set(name, place);
    return place;
  }
}

function requestOf({ req, bodyText, operation }: GatedRequest): Record<string, unknown> {
  const user = tlsNameOf(req);
  const certificate = peerCertificate(req);
  const isSecret = operation.name === "SystemAuth";
  return {
    User: user,
    UserAuthNMethod: user === "" ? "" : "TLS",
    RequestMethod: req.method ?? "",
    RequestUri: req.url ?? "",
    ...(bodyText === "" || isSecret ? {} : { RequestBody: Buffer.from(bodyText).toString("base64") }),
    RequestHeaders: headersOf(req),
    ...(certificate?.raw === undefined ? {} : { RequestPeerCertificates: [pemBytesOf(certificate.raw)] }),
  };
}

function headersOf(req: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2) {
    const name = goHeaderName(req.rawHeaders[i] ?? "");
    if (!HIDDEN_HEADERS.includes(name.toLowerCase())) headers[name] ??= req.rawHeaders[i + 1] ?? "";
  }
  return headers;
}

/** compat: Go writes Content-Type, however the client has written it. */
const goHeaderName = (name: string): string =>
  name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());

/** compat: Go's JSON has bytes as base64, and the bytes are a PEM's. */
function pemBytesOf(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString("base64")
    .replace(/(.{64})/g, "$1\n")
    .trimEnd();
  const pem = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  return Buffer.from(pem).toString("base64");
}
