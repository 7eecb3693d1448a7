// Prints lists the way Docker's formatter does: `table …` with a header row in tab-aligned columns, `json`, or any
// template, one line an item. A noun's columns are a Formatter in format/<noun>.ts.

import { Fault, messageOf } from "../../lib/errors.ts";
import { layoutTabs } from "../../lib/term/tabwriter.ts";
import type { Template } from "../../template/template.ts";
import type * as Values from "../../template/values.ts";
import type { GoFunc } from "../../template/values.ts";
import { print } from "../output.ts";
import { isTerminal } from "../terminal/tty.ts";

/** How a column's value is computed; `isTruncated` is false under --no-trunc. */
export type Field<T> = (item: T, view: View) => unknown;

export interface View {
  readonly isTruncated: boolean;
}

/** A noun's columns. */
export interface Formatter<T> {
  /** Name of Go's type in error messages, such as `*formatter.ContainerContext`. */
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, Field<T>>>;
  /** Methods with one text argument, such as `Label "key"`. */
  readonly calls?: Readonly<Record<string, (item: T, argument: string) => unknown>>;
  /** Fields that `json` leaves out. */
  readonly notInJson?: readonly string[];
  /** Fields whose values are no texts. */
  readonly notText?: readonly string[];
}

export interface ListOptions extends View {
  /** `table …`, `json` or a template. */
  readonly format: string;
}

/** Prints the items. Throws a Fault when the template is wrong. */
export async function printList<T>(
  formatter: Formatter<T>,
  items: readonly T[],
  options: ListOptions,
): Promise<void> {
  const text = await renderList(formatter, items, options);
  // A template may steer the terminal if it wants to; what images call themselves may not.
  print(options.format.includes("\x1b") || !isTerminal(1) ? text : withoutSteering(text));
}

/** Control characters but tab and newline. */
// oxlint-disable-next-line no-control-regex
const STEERING = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Shows control characters as ls(1) does: names, labels and commands come from images, and a terminal obeys them. */
export function withoutSteering(text: string): string {
  return text.replaceAll(STEERING, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Returns what printList prints. */
export async function renderList<T>(
  formatter: Formatter<T>,
  items: readonly T[],
  options: ListOptions,
): Promise<string> {
  const isTable = options.format.startsWith("table");
  const source = finalFormat(options.format);
  const render = fastRows(formatter, source) ?? (await templateRows(formatter, source));
  const rows = items.map((item) => `${render.row(item, options)}\n`).join("");
  return isTable ? layoutTabs(`${render.header()}\n${rows}`) : rows;
}

function finalFormat(format: string): string {
  const body = format.startsWith("table")
    ? format.slice("table".length)
    : format === "json"
      ? "{{json .}}"
      : format;
  return body
    .replace(/^ +| +$/g, "")
    .replaceAll("\\t", "\t")
    .replaceAll("\\n", "\n");
}

interface Rows<T> {
  header(): string;
  row(item: T, view: View): string;
}

/** Formats that only name columns need no template engine, which keeps plain lists quick. */
function fastRows<T>(formatter: Formatter<T>, source: string): Rows<T> | undefined {
  if (!/^(?:\{\{ ?\.[A-Za-z]+ ?\}\}[^{}]*)+$/.test(source)) return undefined;
  const names = [...source.matchAll(/\{\{ ?\.([A-Za-z]+) ?\}\}/g)].map((match) => match[1] ?? "");
  if (!names.every((name) => Object.hasOwn(formatter.fields, name))) return undefined;
  const fill = (value: (name: string) => string): string =>
    source.replace(/\{\{ ?\.([A-Za-z]+) ?\}\}/g, (_, name: string) => value(name));
  if (names.some((name) => formatter.notText?.includes(name) === true)) return undefined;
  return {
    header: () => fill((name) => formatter.headers[name] ?? "<no value>"),
    row: (item, view) => fill((name) => String(formatter.fields[name]?.(item, view))),
  };
}

async function templateRows<T>(formatter: Formatter<T>, source: string): Promise<Rows<T>> {
  const { Template } = await import("../../template/template.ts");
  const values = await import("../../template/values.ts");
  const { headerFunctions } = await import("../../template/docker-funcs.ts");
  let template: Template;
  try {
    template = new Template(source);
  } catch (error) {
    throw templateFault(error);
  }
  // Docker's headers are a map: a column that has none is no mistake there.
  const columns = new Map<string, unknown>([
    ...Object.keys(formatter.fields).map((name) => [name, undefined] as const),
    ...Object.entries(formatter.headers),
  ]);
  const headerLabel: GoFunc = { params: ["string"], call: labelHeader };
  return {
    header: () => {
      try {
        return template.execute(
          new values.GoStruct("formatter.SubHeaderContext", columns, { Label: headerLabel }),
          {
            functions: headerFunctions,
          },
        );
      } catch {
        return ""; // ignored: Docker prints the rows even where a header cannot be made
      }
    },
    row: (item, view) => {
      try {
        return template.execute(contextOf(formatter, item, view, values));
      } catch (error) {
        throw templateFault(error);
      }
    },
  };
}

/** Returns an item as the value that templates see: every column a method. */
export function contextOf<T>(
  formatter: Formatter<T>,
  item: T,
  view: View,
  { GoNil, GoStruct }: typeof Values,
) {
  const methods: Record<string, GoFunc> = {};
  for (const [name, field] of Object.entries(formatter.fields)) {
    methods[name] = { params: [], call: () => field(item, view) ?? new GoNil("*formatter.Value") };
  }
  for (const [name, call] of Object.entries(formatter.calls ?? {})) {
    methods[name] = { params: ["string"], call: (argument: string) => call(item, argument) };
  }
  const encode = () => {
    const shown = Object.entries(formatter.fields).filter(
      ([name]) => !(formatter.notInJson ?? []).includes(name),
    );
    return Object.fromEntries(shown.map(([name, field]) => [name, field(item, view)]));
  };
  return new GoStruct(formatter.type, new Map(), methods, encode, { escapesHtml: true });
}

function templateFault(error: unknown): Fault {
  return new Fault("invalidParameter", `template parsing error: ${messageOf(error)}`, {
    code: "cli.template",
    cause: error,
  });
}

/** Header of a `Label "com.example.some-key"` column: the key's last part, as words. */
function labelHeader(key: string): string {
  return (key.split(".").at(-1) ?? "").replace(/[-_]/g, " ");
}

/** Returns labels as `a=b,c=d`, sorted. */
export function joinLabels(labels: Readonly<Record<string, string>> | null | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");
}

/** Returns the twelve-digit form of an id; a `sha256:` prefix is dropped. */
export function truncateId(id: string): string {
  return id.slice(id.indexOf(":") + 1).slice(0, 12);
}
