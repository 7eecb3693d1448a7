// Writes an operation's arguments as a request target, headers and JSON body: the client's half of the contract.
// The server's half is server/input.ts; input.test.ts there checks that they are inverse.

import { Fault } from "../lib/errors.ts";
import type { AuthConfig, Filters, OperationSpec, QueryKind, QuerySpec } from "./contract.ts";

export interface EncodedRequest {
  readonly target: string;
  readonly headers: Record<string, string | readonly string[]>;
  /** JSON text. */
  readonly body: string | undefined;
}

/** The arguments of any operation; client.ts has typed them by the operation. */
export type Args = Readonly<Record<string, unknown>>;

/** Returns a path segment as Docker's clients send it: `/`, `:` and `@` of image references stay readable. */
function encodePathValue(value: string): string {
  return encodeURIComponent(value).replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%40", "@");
}

function pathOf(template: string, args: Args): string {
  return template.replace(/\{(\w+)\}/g, (_match, name: string) => {
    const value = args[name];
    if (typeof value !== "string" || value.trim() === "") {
      throw new Fault("invalidParameter", `${name} must not be empty`, { code: "request.empty-name" });
    }
    return encodePathValue(value);
  });
}

/** compat: the map form is understood by every API version, the list form only by newer ones. */
function encodeFilters(filters: Filters): string {
  const form: Record<string, Record<string, boolean>> = {};
  for (const [name, values] of Object.entries(filters)) {
    form[name] = Object.fromEntries(values.map((value) => [value, true]));
  }
  return Object.keys(form).length === 0 ? "" : JSON.stringify(form);
}

/** Returns the parameter's values on the wire; none when it need not be sent. */
function encodeValue(kind: QueryKind, value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  switch (kind) {
    case "bool":
      return value === true ? ["1"] : [];
    case "boolTrue":
      return [value === true ? "1" : "0"];
    case "texts":
      return value as readonly string[];
    case "filters": {
      const text = encodeFilters(value as Filters);
      return text === "" ? [] : [text];
    }
    case "jsonTextMap":
    case "jsonNullableTextMap":
    case "jsonTexts":
    case "json":
      return [JSON.stringify(value)];
    default:
      return value === "" ? [] : [String(value as string | number)];
  }
}

function encodeQuery(query: Readonly<Record<string, QuerySpec>>, args: Args): string {
  const parts: string[] = [];
  for (const [name, spec] of Object.entries(query)) {
    const kind = typeof spec === "string" ? spec : spec.kind;
    const wire = typeof spec === "string" ? name : spec.wire;
    for (const value of encodeValue(kind, args[name])) {
      parts.push(`${encodeURIComponent(wire)}=${encodeURIComponent(value)}`);
    }
  }
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

/** Returns the base64url JSON of credentials, as X-Registry-Auth and X-Registry-Config carry it. */
export function encodeAuth(auth: AuthConfig | Readonly<Record<string, AuthConfig>>): string {
  // compat: Go's decoder for these headers is base64.URLEncoding, which wants the padding.
  const text = Buffer.from(JSON.stringify(auth)).toString("base64");
  return text.replace(/\+/g, "-").replace(/\//g, "_");
}

/** Writes the request. Throws Fault(invalidParameter, "request.empty-name") for an empty name in the path. */
export function encodeRequest(
  operation: OperationSpec,
  values: Args,
  version: string | undefined,
): EncodedRequest {
  const prefix = version === undefined ? "" : `/v${version}`;
  const target = prefix + pathOf(operation.path, values) + encodeQuery(operation.query ?? {}, values);
  const headers: Record<string, string | readonly string[]> = {};
  for (const [name, spec] of Object.entries(operation.headers ?? {})) {
    const value = values[name];
    if (value === undefined) continue;
    if (spec.kind === "text" || spec.kind === "texts")
      headers[spec.wire] = value as string | readonly string[];
    else headers[spec.wire] = encodeAuth(value as AuthConfig);
  }
  if (operation.body?.kind === "bytes") headers["Content-Type"] = operation.body.contentType;
  if (operation.body?.kind !== "json" || values["body"] === undefined)
    return { target, headers, body: undefined };
  headers["Content-Type"] = "application/json";
  return { target, headers, body: JSON.stringify(values["body"]) };
}
