// `RUN --mount`: one comma-separated text to what is mounted, with BuildKit's rules and texts. Values may hold variables,
// so a mount is checked when its instruction is read and understood when it is planned.

import { Fault, messageOf } from "../../lib/errors.ts";
import { parseCsv } from "../../lib/flags/spec.ts";
import { parseBinarySize } from "../../lib/units/size.ts";
import { suggestion } from "./suggest.ts";
import { syntaxError } from "./syntax-error.ts";
import { table } from "../../lib/table.ts";

export type MountType = "bind" | "cache" | "tmpfs" | "secret" | "ssh";
export type CacheSharing = "shared" | "private" | "locked";

/** One `--mount`. */
export interface RunMount {
  readonly type: MountType;
  /** Stage, context or image; "" for the build context. */
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly isReadonly: boolean;
  readonly id: string;
  readonly sharing: CacheSharing;
  readonly isRequired: boolean;
  /** Bytes of a tmpfs, 0 for the kernel's default. */
  readonly sizeBytes: number;
  /** Name of the variable that carries a secret. */
  readonly env?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

const TYPES: readonly string[] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARINGS: readonly string[] = ["shared", "private", "locked"];
const KEYS = [
  "type",
  "from",
  "source",
  "target",
  "readonly",
  "id",
  "sharing",
  "required",
  "size",
  "mode",
  "uid",
  "gid",
  "src",
  "dst",
  "destination",
  "ro",
  "rw",
  "readwrite",
  "env",
];

interface Draft {
  type: MountType;
  from: string;
  source: string;
  target: string;
  readonly?: boolean;
  id: string;
  sharing?: CacheSharing;
  isRequired: boolean;
  sizeBytes: number;
  env?: string;
  mode?: number;
  uid?: number;
  gid?: number;
}

const hint = (word: string, options: readonly string[]): string =>
  suggestion(word, options, { isCaseSensitive: true });

function fieldsOf(text: string): string[] {
  try {
    return parseCsv(text);
  } catch (error) {
    throw syntaxError(`failed to parse csv mounts: ${messageOf(error)}`);
  }
}

function boolean(key: string, value: string): boolean {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw syntaxError(`invalid value for ${key}: ${value}`);
}

function number(key: string, value: string, radix: 8 | 10): number {
  const digits = radix === 8 ? /^[0-7]+$/ : /^\d+$/;
  const result = Number.parseInt(value, radix);
  if (!digits.test(value) || result > 0xffffffff) throw syntaxError(`invalid value ${value} for ${key}`);
  return result;
}

function sizeOf(value: string): number {
  try {
    return parseBinarySize(value);
  } catch (error) {
    if (error instanceof Fault) throw syntaxError(`invalid value for size: ${value}`);
    throw error;
  }
}

function isClientSide(type: MountType): boolean {
  return type === "secret" || type === "ssh";
}

/** A word without `=`. */
function applyFlag(draft: Draft, key: string, field: string): void {
  if (key === "readonly" || key === "ro") draft.readonly = true;
  else if (key === "readwrite" || key === "rw") draft.readonly = false;
  else if (key !== "required") throw syntaxError(`invalid field '${field}' must be a key=value pair`);
  else if (isClientSide(draft.type)) draft.isRequired = true;
  else throw unexpectedFor(key, draft.type);
}

const unexpectedFor = (key: string, type: MountType): Fault =>
  syntaxError(`unexpected key '${key}' for mount type '${type}'`);

function oneOf<T extends string>(value: string, known: readonly string[], what: string): T {
  const word = value.toLowerCase();
  if (known.includes(word)) return word as T;
  throw syntaxError(`unsupported ${what} ${JSON.stringify(value)}${hint(value, known)}`);
}

const APPLY: Readonly<Record<string, (draft: Draft, value: string, key: string) => void>> = table({
  type: (d, v) => void (d.type = oneOf<MountType>(v, TYPES, "mount type")),
  from: (d, v) => void (d.from = v),
  source: (d, v) => void (d.source = v),
  target: (d, v) => void (d.target = v),
  readonly: (d, v, key) => void (d.readonly = boolean(key, v)),
  readwrite: (d, v, key) => void (d.readonly = !boolean(key, v)),
  required(d, v, key) {
    if (!isClientSide(d.type)) throw unexpectedFor(key, d.type);
    d.isRequired = boolean(key, v);
  },
  size(d, v, key) {
    if (d.type !== "tmpfs") throw unexpectedFor(key, d.type);
    d.sizeBytes = sizeOf(v);
  },
  id: (d, v) => void (d.id = v),
  sharing: (d, v) => void (d.sharing = oneOf<CacheSharing>(v, SHARINGS, "sharing value")),
  mode: (d, v) => void (d.mode = number("mode", v, 8)),
  uid: (d, v) => void (d.uid = number("uid", v, 10)),
  gid: (d, v) => void (d.gid = number("gid", v, 10)),
  env: (d, v) => void (d.env = v),
});
const ALIASES: Readonly<Record<string, string>> = table({
  src: "source",
  dst: "target",
  destination: "target",
  ro: "readonly",
  rw: "readwrite",
});

function applyPair(draft: Draft, key: string, value: string, field: string): void {
  const name = ALIASES[key] ?? key;
  const apply = Object.hasOwn(APPLY, name) ? APPLY[name] : undefined;
  if (apply === undefined) throw syntaxError(`unexpected key '${key}' in '${field}'${hint(key, KEYS)}`);
  apply(draft, value, key);
}

/** Throws for combinations that mean nothing. */
function check(draft: Draft): void {
  const { type } = draft;
  const hasMeta = isClientSide(type) || type === "cache";
  for (const key of ["mode", "uid", "gid"] as const)
    if (!hasMeta && draft[key] !== undefined)
      throw syntaxError(`${key} not allowed for ${JSON.stringify(type)} type mounts`);
  if (type === "secret") {
    if (draft.from !== "") throw syntaxError("secret mount should not have a from");
    if (draft.sharing !== undefined) throw syntaxError("secret mount should not define sharing");
    if (draft.source === "" && draft.target === "" && draft.id === "")
      throw syntaxError("invalid secret mount. one of source, target required");
    if (draft.source !== "" && draft.id !== "") throw syntaxError("both source and id can't be set");
  }
  if (draft.sharing !== undefined && type !== "cache")
    throw syntaxError(`invalid cache sharing set for ${type} mount`);
  if (type === "ssh" && draft.source !== "") throw syntaxError("ssh does not support source");
}

function partsOf(field: string): { key: string; value: string | undefined } {
  const equals = field.indexOf("=");
  return equals < 0
    ? { key: field.toLowerCase(), value: undefined }
    : { key: field.slice(0, equals).toLowerCase(), value: field.slice(equals + 1) };
}

/** Checks what can be checked before variables have values. Throws Fault `dockerfile.syntax`. */
export function checkMount(text: string): void {
  for (const { key, value } of fieldsOf(text).map(partsOf)) {
    const dollar = key === "from" ? (value ?? "").indexOf("$") : -1;
    if (dollar >= 0 && dollar !== (value as string).length - 1)
      throw syntaxError("'from' doesn't support variable expansion, define alias stage instead");
  }
}

/** Returns the stage, context or image that a mount takes its files from, "" for none: it holds no variable. */
export function mountOrigin(text: string): string {
  return (
    fieldsOf(text)
      .map(partsOf)
      .findLast(({ key }) => key === "from")?.value ?? ""
  );
}

/** Reads one `--mount`, values expanded. Throws Fault `dockerfile.syntax`. */
export function parseMount(text: string, expand: (value: string) => string): RunMount {
  const draft: Draft = {
    type: "bind",
    from: "",
    source: "",
    target: "",
    id: "",
    isRequired: false,
    sizeBytes: 0,
  };
  for (const field of fieldsOf(text)) {
    const { key, value } = partsOf(field);
    if (value === undefined) applyFlag(draft, key, field);
    else applyPair(draft, key, expand(value), field);
  }
  check(draft);
  const { readonly, sharing, ...rest } = draft;
  return {
    ...rest,
    sharing: sharing ?? "shared",
    isReadonly: readonly ?? (draft.type !== "cache" && draft.type !== "tmpfs"),
  };
}
