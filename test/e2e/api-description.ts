// Judges answers by Docker's description of its Engine API (testdata/engine-api.json, made by tools/api-description.ts): the status
// code has to be one that is described, and the body of that shape, without fields that the description does not know.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly allOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly "x-nullable"?: boolean;
}

export interface DescribedOperation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** Container, Image, Swarm… */
  readonly tag: string;
  readonly responses: Readonly<Record<string, Schema | null>>;
}

interface Description {
  readonly version: string;
  readonly operations: readonly DescribedOperation[];
  readonly definitions: Readonly<Record<string, Schema>>;
}

const file = fileURLToPath(new URL("testdata/engine-api.json", import.meta.url));
export const description = JSON.parse(readFileSync(file, "utf8")) as Description;

/** What an engine outside of a swarm has nothing to say about. */
const ELSEWHERE = ["Swarm", "Node", "Service", "Task", "Secret", "Config"];

/** compat: Docker's engine sends the progress with 200, where the description knows an answer without a body only. */
const WITH_PROGRESS = ["PluginPull", "PluginUpgrade"];

/** The operations that concern one host. */
export const singleHost = description.operations.filter((o) => !ELSEWHERE.includes(o.tag));

/** Returns what is wrong with an answer, in sentences; `extensions` are fields of ours, by their last name. */
export function mistakesIn(
  name: string,
  status: number,
  body: unknown,
  extensions: readonly string[] = [],
): string[] {
  const operation = description.operations.find((o) => o.name === name);
  if (operation === undefined) return [`${name} is not described`];
  const described = status === 200 && WITH_PROGRESS.includes(name) ? 204 : status;
  const schema = operation.responses[String(described)];
  if (schema === undefined) return [`${name}: ${status} is not described: ${JSON.stringify(body)}`];
  if (schema === null || described !== status) return [];
  return check(schema, body, `${name} ${status}`, extensions);
}

function resolve(schema: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  const found = description.definitions[schema.$ref.replace("#/definitions/", "")];
  if (found === undefined) throw new Error(`no definition ${schema.$ref}`);
  return resolve(found);
}

/** compat: Docker sends null for these where nothing is set, although the description says nothing of it. */
const POINTERS = ["MemorySwappiness", "OomKillDisable", "PidsLimit", "ExitCode", "CanRemove"];

/** All parts of an allOf in one. */
function flat(raw: Schema): Schema {
  const schema = resolve(raw);
  if (schema.allOf === undefined) return schema;
  const { allOf, ...own } = schema;
  const parts: Schema[] = [...allOf.map(flat), own];
  return {
    type: parts.find((p) => p.type !== undefined)?.type ?? "object",
    properties: Object.assign({}, ...parts.map((p) => p.properties ?? {})) as Record<string, Schema>,
    required: parts.flatMap((p) => p.required ?? []),
    "x-nullable": parts.some((p) => p["x-nullable"] === true),
  };
}

function check(raw: Schema, value: unknown, at: string, extensions: readonly string[]): string[] {
  const schema = flat(raw);
  const type = schema.type ?? (schema.properties === undefined ? undefined : "object");
  if (value === null && POINTERS.some((name) => at.endsWith(`.${name}`))) return [];
  // compat: Go's nil slices, maps and pointers to structs are null, whatever the description says of them.
  if (value === null)
    return schema["x-nullable"] === true || type === "array" || type === "object" || type === undefined
      ? []
      : [`${at} is null`];
  switch (type) {
    case "array":
      if (!Array.isArray(value)) return [`${at} is no list`];
      return value.flatMap((item, i) =>
        schema.items === undefined ? [] : check(schema.items, item, `${at}[${i}]`, extensions),
      );
    case "object":
      return checkObject(schema, value, at, extensions);
    case "integer":
      return Number.isInteger(value) ? [] : [`${at} is no integer: ${JSON.stringify(value)}`];
    case "number":
    case "boolean":
    case "string":
      if (typeof value !== type) return [`${at} is no ${type}: ${JSON.stringify(value)}`];
      return schema.enum !== undefined && !schema.enum.includes(value)
        ? [`${at} is none of ${schema.enum.join(", ")}: ${JSON.stringify(value)}`]
        : [];
    default:
      return [];
  }
}

function checkObject(schema: Schema, value: unknown, at: string, extensions: readonly string[]): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at} is no object`];
  const { properties, additionalProperties, required = [] } = schema;
  // A name that is required and not described is a slip of the description.
  const missing = required
    .filter((name) => properties?.[name] !== undefined && !(name in value))
    .map((name) => `${at}.${name} is missing`);
  const wrong = Object.entries(value).flatMap(([name, inner]) => {
    const known = properties?.[name];
    if (known !== undefined) return check(known, inner, `${at}.${name}`, extensions);
    if (typeof additionalProperties === "object")
      return check(additionalProperties, inner, `${at}.${name}`, extensions);
    const isFree = properties === undefined || additionalProperties === true || extensions.includes(name);
    return isFree ? [] : [`${at}.${name} is not described`];
  });
  return [...missing, ...wrong];
}
