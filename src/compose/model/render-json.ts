// A project as JSON, exactly as Docker Compose prints it: the configuration hashes are taken of this text, so the order of
// members, what is left out and how numbers are written matter.

import { escapeHtml } from "../../lib/json/go-json.ts";
import type { Shape } from "../schema/shape.ts";
import { Bare, jsonForm, type Printed, printed, printedAny, printedProject } from "./printed.ts";
import type { Project } from "./project.ts";

/** Returns a value of the shape as one line of JSON. */
export function renderJson(shape: Shape, value: unknown): string {
  return write(printed(jsonForm, shape, value), undefined);
}

/** Returns the project as indented JSON, its members in the order of their names. */
export function renderProjectJson(project: Project): string {
  const members = [...printedProject(jsonForm, project)].sort(([a], [b]) => (a < b ? -1 : 1));
  return write(new Map(members), "");
}

/** Returns any value as JSON, indented when asked for. */
export function renderAnyJson(value: unknown, isIndented: boolean): string {
  return write(printedAny(jsonForm, value), isIndented ? "" : undefined);
}

/** Writes JSON as Go does; `indent` is the indentation so far, undefined for one line. */
function write(value: Printed, indent: string | undefined): string {
  if (typeof value === "string") return escapeHtml(JSON.stringify(value));
  if (value instanceof Bare) return value.text;
  const below = indent === undefined ? undefined : `${indent}  `;
  const isList = Array.isArray(value);
  const parts = isList
    ? (value as readonly Printed[]).map((item) => write(item, below))
    : [...(value as Map<string, Printed>)].map(
        ([name, member]) =>
          `${escapeHtml(JSON.stringify(name))}:${indent === undefined ? "" : " "}${write(member, below)}`,
      );
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (parts.length === 0) return `${open}${close}`;
  if (below === undefined) return `${open}${parts.join(",")}${close}`;
  return `${open}\n${parts.map((part) => `${below}${part}`).join(",\n")}\n${indent}${close}`;
}
