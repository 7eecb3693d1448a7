// A project as the values that are printed: members in their order, without what Docker Compose leaves out, numbers and sizes as
// text. render-json.ts and render-yaml.ts write them down; what Go's two packages do differently before that is said here.

import { formatDuration } from "../../lib/units/duration.ts";
import { config, model, network, secret, volume } from "../schema/file.ts";
import { service as serviceShape } from "../schema/service.ts";
import type { ObjectShape, PairsShape, Shape } from "../schema/shape.ts";
import { printNumber } from "../tree/node.ts";
import { naturalEntries } from "./natural-entries.ts";
import { type Project, sortedEntries } from "./project.ts";

/** A scalar that is no text: it is written as it is, without quotes. */
export class Bare {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What is printed. */
export type Printed = Bare | string | readonly Printed[] | Map<string, Printed>;

/** What is done differently by the form of output. */
export interface Form {
  /** The order of names that files choose. */
  readonly entries: <T>(record: Readonly<Record<string, T>>) => [string, T][];
  readonly number: (value: number) => string;
  /** Models of the top level are shown. */
  readonly hasModels: boolean;
  /** The members of an object of the specification. */
  readonly members: (shape: ObjectShape, value: Readonly<Record<string, unknown>>) => Map<string, Printed>;
}

const nothing = new Bare("null");

/** compat: JSON is made of Go's structures, which know no extensions and some of which print what is absent. */
export const jsonForm: Form = {
  entries: sortedEntries,
  number: String,
  hasModels: false,
  members(shape, value) {
    const members = new Map<string, Printed>();
    for (const [name, field] of Object.entries(shape.fields)) {
      const member = value[name];
      // compat: Go's structures without names of their own for JSON have these, and nothing is left out of them.
      if (shape.isUntagged === true) {
        const goName = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
        members.set(goName, printed(jsonForm, field, member ?? zeroOf(field)));
      } else if (member === undefined || member === null) {
        if (field.isNullInJson === true) members.set(name, nothing);
        else if (field.isEmbedded === true) members.set(name, jsonForm.members(field as ObjectShape, {}));
      } else if (!isOmitted(field, member)) members.set(name, printed(jsonForm, field, member));
    }
    return members;
  },
};

export const yamlForm: Form = {
  entries: naturalEntries,
  number: printNumber,
  hasModels: true,
  members(shape, value) {
    const members = new Map<string, Printed>();
    for (const [name, field] of Object.entries(shape.fields)) {
      const member = value[name];
      if (member === undefined || member === null || isOmitted(field, member)) continue;
      const shown = printed(yamlForm, field, member);
      if (field.isEmbedded === true && shown instanceof Map && shown.size === 0) continue;
      members.set(name, shown);
    }
    for (const [name, member] of sortedEntries(value))
      if (name.startsWith("x-") && !Object.hasOwn(shape.fields, name))
        members.set(name, printedAny(yamlForm, member));
    return members;
  },
};

/** Returns the whole project, in the order of YAML. */
export function printedProject(form: Form, project: Project): Map<string, Printed> {
  const root = new Map<string, Printed>([["name", project.name]]);
  root.set("services", printedNamed(form, serviceShape, withoutNames(project.services)));
  const add = (name: string, shape: Shape, values: Readonly<Record<string, unknown>>): void => {
    if (Object.keys(values).length > 0) root.set(name, printedNamed(form, shape, values));
  };
  add("networks", network, project.networks);
  add("volumes", volume, project.volumes);
  add("secrets", secret, project.secrets);
  add("configs", config, withoutResolvedContent(project.configs));
  if (form.hasModels) add("models", model, project.models);
  for (const [name, value] of sortedEntries(project.extensions)) root.set(name, printedAny(form, value));
  return root;
}

/** A service's name is its key. */
export function withoutNames(
  services: Readonly<Record<string, { readonly name: string }>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(services).map(([key, { name: _, ...service }]) => [key, service]));
}

/** Content that came from a variable is not shown. */
function withoutResolvedContent(
  configs: Readonly<Record<string, { readonly environment?: string; readonly content?: string }>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(configs).map(([key, { content, ...rest }]) => [
      key,
      content === undefined || rest.environment !== undefined ? rest : { ...rest, content },
    ]),
  );
}

function printedNamed(form: Form, shape: Shape, values: Readonly<Record<string, unknown>>): Printed {
  return new Map(form.entries(values).map(([name, value]) => [name, printed(form, shape, value)]));
}

/** Returns a value of the shape. */
export function printed(form: Form, shape: Shape, value: unknown): Printed {
  if (value === null || value === undefined) return nothing;
  switch (shape.kind) {
    case "text":
      return value as string;
    case "bool":
    case "int":
    case "count":
      return new Bare(String(value as number | boolean));
    case "float":
      return new Bare(printFloat32(value as number));
    case "bytes":
      return String(value as number);
    case "duration":
      return formatDuration(value as number);
    case "mode":
      return `0${(value as number).toString(8)}`;
    case "command":
      return value as readonly string[];
    case "pairs":
      return printedPairs(form, shape, value as Record<string, string | null>);
    case "hosts":
      return hostLines(value as Record<string, readonly string[]>);
    case "list":
      return (value as readonly unknown[]).map((item) => printed(form, shape.item, item));
    case "map":
      return printedNamed(form, shape.value, value as Record<string, unknown>);
    case "either":
      return printed(form, typeof value === "object" ? shape.object : shape.scalar, value);
    case "any":
      return printedAny(form, value);
    case "object":
      return form.members(shape, value as Record<string, unknown>);
  }
}

function printedPairs(
  form: Form,
  shape: PairsShape,
  value: Readonly<Record<string, string | null>>,
): Printed {
  const entries = form.entries(value);
  if (shape.isListed === true)
    return entries.map(([name, text]) => (text === null ? name : `${name}=${text}`));
  return new Map(entries.map(([name, text]) => [name, text ?? nothing]));
}

/** Returns any value. */
export function printedAny(form: Form, value: unknown): Printed {
  if (value === null || value === undefined) return nothing;
  if (typeof value === "number") return new Bare(form.number(value));
  if (typeof value === "boolean") return new Bare(String(value));
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map((item) => printedAny(form, item));
  return new Map(
    form.entries(value as Record<string, unknown>).map(([name, member]) => [name, printedAny(form, member)]),
  );
}

function zeroOf(shape: Shape): unknown {
  return shape.kind === "text" ? "" : 0;
}

/** Tells whether Go leaves the value out as being empty. */
function isOmitted(shape: Shape, value: unknown): boolean {
  if (shape.isUnprinted === true) return true;
  if (shape.isPointer === true || shape.isNullInJson === true) return false;
  if (shape.kind === "bool") return value === (shape.isOptOut === true);
  if (typeof value === "string") return value === "";
  if (typeof value === "number") return value === 0;
  if (Array.isArray(value)) return value.length === 0;
  const isMap = shape.kind === "map" || shape.kind === "pairs" || shape.kind === "hosts";
  return isMap && Object.keys(value as object).length === 0;
}

/** Returns `host=address` lines, sorted. */
function hostLines(hosts: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(hosts)
    .flatMap(([host, addresses]) => addresses.map((address) => `${host}=${address}`))
    .sort();
}

/** Prints the shortest text that means the same number of 32 bits, as Go does for its float32. */
function printFloat32(value: number): string {
  const wanted = Math.fround(value);
  for (let digits = 1; digits <= 9; digits++) {
    const shorter = Number(wanted.toPrecision(digits));
    if (Math.fround(shorter) === wanted) return String(shorter);
  }
  return String(wanted);
}
