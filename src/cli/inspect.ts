// What every `inspect` does with what it found: the daemon's JSON indented, one line of JSON, or a template run on
// each object, first as the typed value and, where that lacks a field, on the raw JSON.

import type { OperationSpec } from "../api/contract.ts";
import { messageOf } from "../lib/errors.ts";
import type { Schema } from "../lib/schema/schema.ts";
import type { Template } from "../template/template.ts";
import { describeFailure, exitWith } from "./failure.ts";
import { print } from "./output.ts";

/** An object as the daemon sent it. */
export interface Found {
  readonly text: string;
  /** Its type, for templates. */
  readonly schema?: (() => Promise<Schema>) | undefined;
  readonly hasTimes?: boolean;
}

/** Returns the schema of an operation's response. */
export function schemaOf(operation: OperationSpec): (() => Promise<Schema>) | undefined {
  return "schema" in operation.success ? operation.success.schema : undefined;
}

/** Inspects every reference and prints the result. Throws a Fault with exit code 1 (64 for a bad template). */
export async function inspectAll(
  references: readonly string[],
  format: string,
  find: (reference: string) => Promise<Found>,
): Promise<void> {
  const template = format === "" || format === "json" ? undefined : await parseTemplate(format);
  const found: Found[] = [];
  const failures: string[] = [];
  let text = "";
  for (const reference of references) {
    try {
      const object = await find(reference);
      if (template === undefined) found.push(object);
      else text += `${await renderObject(template, object)}\n`;
    } catch (error) {
      failures.push(describeFailure(error));
    }
  }
  if (template !== undefined) print(text === "" ? "\n" : text);
  else print(`${await joinObjects(found, format)}\n`);
  if (failures.length > 0) throw exitWith(1, failures.join("\n"));
}

async function joinObjects(found: readonly Found[], format: string): Promise<string> {
  if (found.length === 0) return "[]";
  const { compactJson, indentJson } = await import("./format/json-text.ts");
  const all = `[${found.map((object) => object.text).join(",")}]`;
  return format === "json" ? compactJson(all) : indentJson(all, "    ");
}

async function parseTemplate(format: string): Promise<Template> {
  const { Template } = await import("../template/template.ts");
  try {
    return new Template(format);
  } catch (error) {
    throw exitWith(64, `template parsing error: ${messageOf(error)}`);
  }
}

async function renderObject(template: Template, { text, schema, hasTimes }: Found): Promise<string> {
  const value: unknown = JSON.parse(text);
  if (schema !== undefined) {
    const { goValue } = await import("./format/go-value.ts");
    try {
      return template.execute(goValue(await schema(), value, { hasTimes: hasTimes === true }));
    } catch {
      // ignored: the raw object may have fields that the type lacks; its error is the one to tell
    }
  }
  try {
    return template.execute(value, { missingKey: "error" });
  } catch (error) {
    throw exitWith(1, `template parsing error: ${messageOf(error)}`);
  }
}
