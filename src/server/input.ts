// Reads a request's parameters into the operation's input: the server's half of the contract (client's: api/request.ts).
// Values are shape-checked with Docker's error texts; what they mean is the engine's business.
// Throws only Fault(invalidParameter).

import type {
  Filters,
  FilterValues,
  HeaderKind,
  OperationSpec,
  QueryKind,
  QuerySpec,
} from "../api/contract.ts";
import { authConfig } from "../api/schemas/system.ts";
import { isAtLeast } from "../lib/version-order.ts";
import { Fault, messageOf } from "../lib/errors.ts";
import { parseJson } from "../lib/json/parse.ts";
import { decode, decodeUntyped } from "../lib/schema/decode.ts";
import { bool, list, map, nullable, type Schema, text } from "../lib/schema/schema.ts";

function invalid(message: string, cause?: unknown): Fault {
  return new Fault("invalidParameter", message, { code: "request.parameter", cause });
}

/** Go's httputils.BoolValue. */
export function parseBool(value: string): boolean {
  return !["", "0", "no", "false", "none"].includes(value.trim().toLowerCase());
}

/** Go's strconv.ParseBool, and "" as false. */
function parseGoBool(name: string, value: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(value)) return true;
  if (["", "0", "f", "F", "FALSE", "false", "False"].includes(value)) return false;
  throw invalid(
    `invalid value for ${name}: ${value}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
  );
}

function parseInteger(value: string): number {
  const number = Number(value);
  if (!/^[+-]?[0-9]+$/.test(value))
    throw invalid(`strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
  if (Math.abs(number) >= 2 ** 63)
    throw invalid(`strconv.Atoi: parsing ${JSON.stringify(value)}: value out of range`);
  return number;
}

function parseSize(name: string, value: string): number {
  const problem = !/^-?[0-9]+$/.test(value)
    ? "invalid syntax"
    : Number(value) < 0 || Number(value) > 0xffffffff || value.startsWith("-")
      ? "value out of range"
      : undefined;
  if (problem !== undefined) throw invalid(`invalid resize ${name} ${JSON.stringify(value)}: ${problem}`);
  return Number(value);
}

const mapForm = map(nullable(map(bool)));
const listForm = map(nullable(list(text)));

/** Reads `filters`: {"label": {"a": true}} or {"label": ["a"]}. */
export function parseFilters(value: string): Filters {
  if (value === "") return {};
  const refuse = (cause: unknown) =>
    new Fault("invalidParameter", "invalid filter", { code: "request.filter", cause });
  try {
    const json = parseJson(value);
    const isListForm = Object.values(json ?? {}).some((entry) => Array.isArray(entry));
    const form = isListForm ? decode(listForm, json) : decode(mapForm, json);
    return Object.fromEntries(Object.entries(form).map(([name, values]) => [name, filterValues(values)]));
  } catch (cause) {
    throw refuse(cause);
  }
}

function filterValues(sent: readonly string[] | Readonly<Record<string, boolean>> | null): FilterValues {
  if (Array.isArray(sent)) return [...new Set<string>(sent)];
  const values = Object.entries(sent ?? {});
  const off = values.filter(([, isOn]) => !isOn).map(([value]) => value);
  const all = values.map(([value]) => value);
  return off.length === 0 ? all : Object.assign(all, { off });
}

const JSON_SHAPES: Readonly<Partial<Record<QueryKind, Schema>>> = {
  jsonTextMap: map(text),
  jsonNullableTextMap: map(nullable(text)),
  jsonTexts: list(text),
};

function parseJsonParameter(kind: QueryKind, wire: string, value: string): unknown {
  try {
    const json = parseJson(value);
    const shape = JSON_SHAPES[kind];
    return shape === undefined ? json : decodeUntyped(shape, json);
  } catch (cause) {
    throw invalid(`error reading ${wire}: ${messageOf(cause)}`, cause);
  }
}

function parseParameter(name: string, kind: QueryKind, wire: string, query: URLSearchParams): unknown {
  const value = query.get(wire) ?? "";
  switch (kind) {
    case "text":
      return value === "" ? undefined : value;
    case "texts":
      return query.getAll(wire);
    case "bool":
      return parseBool(value);
    case "boolTrue":
      return query.has(wire) ? parseBool(value) : true;
    case "goBool":
      return parseGoBool(name, value);
    case "int":
      return value === "" ? undefined : parseInteger(value);
    case "intOrZero":
      return /^[+-]?[0-9]{1,18}$/.test(value) ? Number(value) : 0;
    case "size":
      return parseSize(name, value);
    case "filters":
      return parseFilters(value);
    default:
      return value === "" ? undefined : parseJsonParameter(kind, wire, value);
  }
}

const authMap = map(nullable(authConfig));

/** compat: malformed credentials are ignored, as dockerd does, because a public image needs none. */
function parseHeader(kind: HeaderKind, value: string | undefined): unknown {
  if (kind === "text") return value;
  // node:http joins what comes several times.
  if (kind === "texts") return (value ?? "").split(/, */).filter((text) => text !== "");
  const nothing = kind === "authMap" ? {} : undefined;
  if (value === undefined || value === "") return nothing;
  try {
    const json = parseJson(Buffer.from(value, "base64url").toString("utf8"));
    return decodeUntyped(kind === "auth" ? authConfig : authMap, json);
  } catch {
    return nothing; // ignored: see above
  }
}

export interface RawRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** API version spoken. */
  readonly version: string;
}

/** Returns path, query and header parameters as the operation declares them. */
export function readParameters(operation: OperationSpec, request: RawRequest): Record<string, unknown> {
  const input: Record<string, unknown> = { ...request.params };
  for (const [name, spec] of Object.entries(operation.query ?? {})) {
    const { kind, wire, since, complaint }: Exclude<QuerySpec, string> =
      typeof spec === "string" ? { kind: spec, wire: name } : spec;
    const isKnown = since === undefined || isAtLeast(request.version, since);
    try {
      input[name] = parseParameter(name, kind, wire, isKnown ? request.query : new URLSearchParams());
    } catch (cause) {
      if (complaint === undefined || !(cause instanceof Fault)) throw cause;
      throw new Fault(cause.kind, `${complaint}: ${cause.message}`, { code: cause.code, cause });
    }
  }
  for (const [name, spec] of Object.entries(operation.headers ?? {})) {
    const value = request.headers[spec.wire.toLowerCase()];
    input[name] = parseHeader(spec.kind, Array.isArray(value) ? value[0] : value);
  }
  return input;
}

/** Checks the media type of a JSON body as moby's httputils.CheckForJSON does. */
export function checkJsonType(contentType: string | undefined, hasBody: boolean): void {
  if (contentType === undefined && !hasBody) return;
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (type === "") throw invalid(`malformed Content-Type header (${contentType ?? ""}): mime: no media type`);
  if (type !== "application/json") {
    throw invalid(`unsupported Content-Type header (${contentType}): must be 'application/json'`);
  }
}

/** Decodes a JSON body; an empty one is undefined unless the operation requires one. */
export async function readJsonBody(operation: OperationSpec, source: string): Promise<unknown> {
  if (operation.body?.kind !== "json") return undefined;
  const { schema, required } = operation.body;
  if (source === "") {
    if (required !== true) return undefined;
    throw invalid("invalid JSON: EOF");
  }
  try {
    return decodeUntyped(await schema(), parseJson(source));
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw invalid(explainJson(cause), cause);
  }
}

/** compat: Go's streaming decoder words the ends of the text differently from its Unmarshal. */
function explainJson(fault: Fault): string {
  switch (fault.detail["kind"]) {
    case "empty":
      return "invalid JSON: EOF";
    case "truncated":
      return "invalid JSON: unexpected EOF";
    case "trailing":
      return "unexpected content after JSON";
    default:
      return `invalid JSON: ${fault.message}`;
  }
}
