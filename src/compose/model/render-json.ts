// A project as JSON, exactly as Docker Compose prints it: the configuration hashes are taken of this text, so the order of
// members, what is left out and how numbers are written matter.

import { escapeHtml } from "../../lib/json/go-json.ts";
import { formatDuration } from "../../lib/units/duration.ts";
import { config, network, secret, volume } from "../schema/file.ts";
import { service as serviceShape } from "../schema/service.ts";
import type { ObjectShape, Shape } from "../schema/shape.ts";
import { type Project, sortedEntries } from "./project.ts";

/** JSON text that is put into the output as it is: numbers as Go prints them. */
class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Json = null | boolean | string | Raw | readonly Json[] | Map<string, Json>;

/** Returns a value of the shape as one line of JSON. */
export function renderJson(shape: Shape, value: unknown): string {
  return write(toJson(shape, value), undefined);
}

/** Returns the project as indented JSON. */
export function renderProjectJson(project: Project): string {
  return write(projectJson(project), "");
}

/** Returns any value as JSON, indented when asked for. */
export function renderAnyJson(value: unknown, isIndented: boolean): string {
  return write(anyJson(value), isIndented ? "" : undefined);
}

function projectJson(project: Project): Json {
  const members: Record<string, Json> = {
    name: project.name,
    services: namedJson(serviceShape, withoutNames(project.services)),
  };
  const add = (name: string, shape: Shape, values: Readonly<Record<string, unknown>>): void => {
    if (Object.keys(values).length > 0) members[name] = namedJson(shape, values);
  };
  add("networks", network, project.networks);
  add("volumes", volume, project.volumes);
  add("secrets", secret, project.secrets);
  add("configs", config, withoutResolvedContent(project.configs));
  for (const [name, value] of Object.entries(project.extensions)) members[name] = anyJson(value);
  return new Map(sortedEntries(members));
}

/** A service's name is its key. */
export function withoutNames(
  services: Readonly<Record<string, { readonly name: string }>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(services).map(([key, { name: _, ...service }]) => [key, service]));
}

/** Content that came from a variable is not shown. */
export function withoutResolvedContent(
  configs: Readonly<Record<string, { readonly environment?: string; readonly content?: string }>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(configs).map(([key, { content, ...rest }]) => [
      key,
      content === undefined || rest.environment !== undefined ? rest : { ...rest, content },
    ]),
  );
}

function namedJson(shape: Shape, values: Readonly<Record<string, unknown>>): Json {
  return new Map(sortedEntries(values).map(([name, value]) => [name, toJson(shape, value)]));
}

function toJson(shape: Shape, value: unknown): Json {
  if (value === null || value === undefined) return null;
  switch (shape.kind) {
    case "text":
      return value as string;
    case "bool":
      return value as boolean;
    case "int":
    case "count":
      return new Raw(String(value as number));
    case "float":
      return new Raw(printFloat32(value as number));
    case "bytes":
      return String(value as number);
    case "duration":
      return formatDuration(value as number);
    case "mode":
      return `0${(value as number).toString(8)}`;
    case "command":
      return value as readonly string[];
    case "pairs":
      return new Map(sortedEntries(value as Record<string, string | null>));
    case "hosts":
      return hostLines(value as Record<string, readonly string[]>);
    case "list":
      return (value as readonly unknown[]).map((item) => toJson(shape.item, item));
    case "map":
      return namedJson(shape.value, value as Record<string, unknown>);
    case "either":
      return toJson(typeof value === "object" ? shape.object : shape.scalar, value);
    case "any":
      return anyJson(value);
    case "object":
      return objectJson(shape, value as Record<string, unknown>);
  }
}

function objectJson(shape: ObjectShape, value: Readonly<Record<string, unknown>>): Json {
  const members = new Map<string, Json>();
  for (const [name, field] of Object.entries(shape.fields)) {
    const member = value[name];
    // compat: Go's structures without names of their own for JSON have these, and nothing is left out of them.
    if (shape.isUntagged === true)
      members.set(`${name.charAt(0).toUpperCase()}${name.slice(1)}`, toJson(field, member ?? zeroOf(field)));
    else if (member === undefined || member === null) {
      if (field.isNullInJson === true) members.set(name, null);
      else if (field.isEmbedded === true) members.set(name, objectJson(field as ObjectShape, {}));
    } else if (!isOmitted(field, member)) members.set(name, toJson(field, member));
  }
  return members;
}

function zeroOf(shape: Shape): unknown {
  return shape.kind === "text" ? "" : 0;
}

/** Tells whether Go leaves the value out as being empty. */
export function isOmitted(shape: Shape, value: unknown): boolean {
  if (shape.isPointer === true || shape.isNullInJson === true) return false;
  if (shape.kind === "bool") return value === (shape.isOptOut === true);
  if (typeof value === "string") return value === "";
  if (typeof value === "number") return value === 0;
  if (Array.isArray(value)) return value.length === 0;
  const isMap = shape.kind === "map" || shape.kind === "pairs" || shape.kind === "hosts";
  return isMap && Object.keys(value as object).length === 0;
}

/** Returns `host=address` lines, sorted. */
export function hostLines(hosts: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(hosts)
    .flatMap(([host, addresses]) => addresses.map((address) => `${host}=${address}`))
    .sort();
}

function anyJson(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return new Raw(String(value as number));
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.map(anyJson);
  return new Map(
    sortedEntries(value as Record<string, unknown>).map(([name, member]) => [name, anyJson(member)]),
  );
}

/** Prints the shortest text that means the same number of 32 bits, as Go does for its float32. */
export function printFloat32(value: number): string {
  const wanted = Math.fround(value);
  for (let digits = 1; digits <= 9; digits++) {
    const shorter = Number(wanted.toPrecision(digits));
    if (Math.fround(shorter) === wanted) return String(shorter);
  }
  return String(wanted);
}

/** Writes JSON as Go does; `indent` is the indentation so far, undefined for one line. */
function write(json: Json, indent: string | undefined): string {
  if (json === null || typeof json === "boolean") return String(json);
  if (typeof json === "string") return escapeHtml(JSON.stringify(json));
  if (json instanceof Raw) return json.text;
  const below = indent === undefined ? undefined : `${indent}  `;
  const isList = Array.isArray(json);
  const parts = isList
    ? (json as readonly Json[]).map((item) => write(item, below))
    : [...(json as Map<string, Json>)].map(
        ([name, member]) =>
          `${escapeHtml(JSON.stringify(name))}:${indent === undefined ? "" : " "}${write(member, below)}`,
      );
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (parts.length === 0) return `${open}${close}`;
  if (below === undefined) return `${open}${parts.join(",")}${close}`;
  return `${open}\n${parts.map((part) => `${below}${part}`).join(",\n")}\n${indent}${close}`;
}
