// Turns a decoded response into the value that templates see in Docker: structs with every field (zero where the daemon
// left one out), typed maps and nils, as the API's schema declares them. Loaded for `inspect --format` only.

import { bare, type Schema } from "../../lib/schema/schema.ts";
import { formatGoTime } from "../../lib/units/go-time.ts";
import { GoMap, GoNil, GoStruct, GoText, typedSlice } from "../../template/values.ts";
import { table } from "../../lib/table.ts";

export interface GoValueOptions {
  /** Prints time.Time fields as Go does; elsewhere the API's Go types have strings in their place. */
  readonly hasTimes?: boolean;
}

/** Returns the value of a response under its schema. */
export function goValue(schema: Schema, value: unknown, options: GoValueOptions = {}): unknown {
  const isPointer = schema.kind === "nullable" || schema.kind === "optional";
  const inner = bare(schema);
  if (value === undefined || value === null)
    return isPointerToScalar(schema) ? new GoNil(`*${typeOf(inner)}`) : zeroValue(inner, isPointer);
  switch (inner.kind) {
    case "list":
      return Array.isArray(value)
        ? typedSlice(
            `[]${typeOf(inner.item)}`,
            value.map((item) => goValue(inner.item, item, options)),
          )
        : value;
    case "map": {
      const entries = Object.entries(value as object).map(
        ([key, item]) => [key, goValue(inner.value, item, options)] as const,
      );
      return new GoMap(
        `map[string]${typeOf(inner.value)}`,
        new Map(entries),
        zeroValue(bare(inner.value), isWrapped(inner.value)),
      );
    }
    case "struct":
      return goStruct(inner, value as Readonly<Record<string, unknown>>, { isPointer, options });
    case "string":
      return inner.go === "time.Time" && options.hasTimes === true && typeof value === "string"
        ? goTime(value)
        : value;
    default:
      return value;
  }
}

type StructSchema = Extract<Schema, { kind: "struct" }>;

function goStruct(
  schema: StructSchema,
  value: Readonly<Record<string, unknown>>,
  { isPointer, options }: { isPointer: boolean; options: GoValueOptions },
): GoStruct {
  const fields = new Map<string, unknown>();
  for (const [name, field] of Object.entries(schema.fields))
    fields.set(goName(name), goValue(field, value[name], options));
  // omitempty: json prints an optional field only when the daemon sent it.
  const encode = () => {
    const shown = new Map<string, unknown>();
    for (const [name, field] of Object.entries(schema.fields)) {
      if (field.kind !== "optional" || value[name] !== undefined) shown.set(name, fields.get(goName(name)));
    }
    return new GoStruct(schema.name, shown);
  };
  return new GoStruct(`${isPointer ? "*" : ""}${schema.name}`, fields, {}, encode);
}

/** Go's fields are exported: where the wire's name differs in more than case, templates use Go's. */
const goNames: Readonly<Record<string, string>> = table({
  Id: "ID",
  Dns: "DNS",
  DnsOptions: "DNSOptions",
  DnsSearch: "DNSSearch",
  CpuShares: "CPUShares",
  NanoCpus: "NanoCPUs",
  CpuPeriod: "CPUPeriod",
  CpuQuota: "CPUQuota",
  CpuRealtimePeriod: "CPURealtimePeriod",
  CpuRealtimeRuntime: "CPURealtimeRuntime",
  CpuCount: "CPUCount",
  CpuPercent: "CPUPercent",
  HostIp: "HostIP",
  ApiVersion: "APIVersion",
  HttpProxy: "HTTPProxy",
  HttpsProxy: "HTTPSProxy",
  timeNano: "TimeNano",
  time: "Time",
  status: "Status",
  from: "From",
  scope: "Scope",
  id: "ID",
});

function goName(name: string): string {
  return goNames[name] ?? name;
}

/** A number or truth value that may be null is a pointer in Go (`*bool`), and nil where the daemon has none. */
function isPointerToScalar(schema: Schema): boolean {
  if (schema.kind === "optional") return isPointerToScalar(schema.of);
  return schema.kind === "nullable" && ["bool", "int", "float", "string"].includes(schema.of.kind);
}

function isWrapped(schema: Schema): boolean {
  return schema.kind === "nullable" || schema.kind === "optional";
}

function zeroValue(schema: Exclude<Schema, { kind: "nullable" | "optional" }>, isPointer: boolean): unknown {
  switch (schema.kind) {
    case "list":
      return new GoNil(`[]${typeOf(schema.item)}`);
    case "map":
      return new GoNil(
        `map[string]${typeOf(schema.value)}`,
        undefined,
        zeroValue(bare(schema.value), isWrapped(schema.value)),
      );
    case "struct":
      if (isPointer) return new GoNil(`*${schema.name}`, Object.keys(schema.fields).map(goName));
      return goStruct(schema, {}, { isPointer, options: {} });
    case "string":
      return "";
    case "bool":
      return false;
    case "int":
    case "float":
      return 0;
    default:
      return undefined;
  }
}

function typeOf(schema: Schema): string {
  const inner = bare(schema);
  switch (inner.kind) {
    case "list":
      return `[]${typeOf(inner.item)}`;
    case "map":
      return `map[string]${typeOf(inner.value)}`;
    case "struct":
      return inner.name === "" ? "struct {}" : `${isWrapped(schema) ? "*" : ""}${inner.name}`;
    case "any":
      return "interface {}";
    default:
      return inner.go;
  }
}

function goTime(text: string): GoText {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return new GoText("time.Time", text);
  const nanos = Number((/\.(\d{1,9})/.exec(text)?.[1] ?? "").padEnd(9, "0"));
  return new GoText("time.Time", formatGoTime(ms, { nanos, isUtc: text.endsWith("Z") }), text);
}
