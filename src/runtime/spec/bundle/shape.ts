// Shapes of JSON values: what a field must look like, as a function from the value to its type. Errors name the field by its path in
// the document (`process.rlimits[2].hard`), what is there and what may be. Unknown keys are left out, as the
// specification demands of extensions; null is an absent value, as every other reader of these files has it.
// Not lib/schema: that one speaks Go's sentences of the Engine API and ignores the case of keys.

import { Fault } from "../../../lib/errors.ts";

/** Returns the value at a path of the document. Throws Fault invalidParameter when it has not the shape. */
export type Shape<T> = (value: unknown, at: string) => T;

/** A field without which its object makes no sense. */
export interface Required<T> extends Shape<T> {
  readonly isRequired: true;
}

/** A field that has a value also when it is absent. */
export interface Defaulted<T> extends Shape<T> {
  readonly fallback: () => T;
}

/** Fields that the type has in any case need a shape that says where the value comes from. */
export type Fields<T> = {
  readonly [K in keyof T]-?: {} extends Pick<T, K>
    ? Shape<NonNullable<T[K]>>
    : Required<NonNullable<T[K]>> | Defaulted<NonNullable<T[K]>>;
};

export function required<T>(shape: Shape<T>): Required<T> {
  return Object.assign((value: unknown, at: string) => shape(value, at), { isRequired: true as const });
}

export function defaulted<T>(shape: Shape<T>, fallback: () => T): Defaulted<T> {
  return Object.assign((value: unknown, at: string) => shape(value, at), { fallback });
}

/** Any text without NUL, which no file name, argument or value of the kernel's can have. */
export const text: Shape<string> = (value, at) => {
  const found = anyText(value, at);
  if (found.includes("\0")) throw invalid(at, "it contains a null byte", "text without one");
  return found;
};

export const anyText: Shape<string> = (value, at) => {
  if (typeof value !== "string") throw mismatch(value, at, "a text");
  return value;
};

export const bool: Shape<boolean> = (value, at) => {
  if (typeof value !== "boolean") throw mismatch(value, at, "true or false");
  return value;
};

/** Returns the shape of whole numbers from `least` to `most`, both included. */
export function integer(least: number, most: number): Shape<number> {
  const allowed = `a whole number from ${least} to ${most}`;
  return (value, at) => {
    const n = typeof value === "bigint" ? Number(value) : value;
    if (typeof n !== "number" || !Number.isInteger(n)) throw mismatch(value, at, allowed);
    if (n < least || n > most) throw invalid(at, `${String(value)} is out of range`, allowed);
    return n;
  };
}

export const uint32: Shape<number> = integer(0, 2 ** 32 - 1);
export const int32: Shape<number> = integer(-(2 ** 31), 2 ** 31 - 1);
export const uint16: Shape<number> = integer(0, 2 ** 16 - 1);
/** As a double: what matters beyond 2^53 is only that it is very much. */
export const uint64: Shape<number> = integer(0, 2 ** 64);
export const int64: Shape<number> = integer(-(2 ** 63), 2 ** 63);

/** Unsigned 64 bits that must not lose any: a bigint where a number would (parseSpec keeps them). */
export const exactUint64: Shape<number | bigint> = (value, at) => {
  if (typeof value !== "bigint") return uint64(value, at);
  if (value < 0n || value >= 1n << 64n) throw invalid(at, `${value} is out of range`, "unsigned 64 bits");
  return value;
};

/** Returns the shape of one of some words. */
export function oneOf<const W extends string>(words: readonly W[]): Shape<W> {
  return (value, at) => {
    const found = text(value, at);
    if (!(words as readonly string[]).includes(found))
      throw invalid(at, `${JSON.stringify(found)} is not known`, `one of ${words.join(", ")}`);
    return found as W;
  };
}

export function list<T>(item: Shape<T>): Shape<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw mismatch(value, at, "a list");
    return value.map((entry, i) => item(entry, `${at}[${i}]`));
  };
}

/** Returns the shape of an object with any keys. */
export function record<T>(item: Shape<T>, key: Shape<string> = text): Shape<Record<string, T>> {
  return (value, at) =>
    // fromEntries defines properties: a key "__proto__" is one like all others
    Object.fromEntries(
      Object.entries(plainObject(value, at)).map(([name, entry]) => {
        const path = `${at}[${JSON.stringify(name)}]`;
        return [key(name, path), item(entry, path)];
      }),
    );
}

/**
 * Returns the shape of an object with the fields of T.
 * compat: a field may have other capitals, as in runc's JSON (`Cpus` for `cpus`).
 */
export function object<T extends object>(fields: Fields<T>): Shape<T> {
  const known = Object.entries(fields) as [
    string,
    Shape<unknown> & Partial<Required<unknown>> & Partial<Defaulted<unknown>>,
  ][];
  const names = new Map(known.map(([name]) => [name.toLowerCase(), name]));
  return (value, at) => {
    const found = named(plainObject(value, at), fields, names);
    const result: Record<string, unknown> = {};
    for (const [name, shape] of known) {
      const path = at === "" ? name : `${at}.${name}`;
      const entry = Object.hasOwn(found, name) ? found[name] : undefined;
      if (entry !== undefined && entry !== null) setIfAny(result, name, shape(entry, path));
      else if (shape.isRequired) throw invalid(path, "it is missing", "required");
      else if (shape.fallback) result[name] = shape.fallback();
    }
    return result as T;
  };
}

/** Returns the object with the names that its fields have. `names` has each by its small letters. */
function named(
  found: Record<string, unknown>,
  fields: object,
  names: ReadonlyMap<string, string>,
): Record<string, unknown> {
  const isOther = (key: string) => !Object.hasOwn(fields, key) && names.has(key.toLowerCase());
  if (!Object.keys(found).some(isOther)) return found;
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(found)) {
    const name = isOther(key) ? (names.get(key.toLowerCase()) ?? key) : key;
    if (Object.hasOwn(fields, name)) result[name] = merged(result[name], value);
  }
  return result;
}

/** The same field twice: the later value counts, of objects each field. */
function merged(first: unknown, second: unknown): unknown {
  const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject(first) && isObject(second) ? { ...(first as object), ...(second as object) } : second;
}

function setIfAny(target: Record<string, unknown>, name: string, value: unknown): void {
  if (value !== undefined) target[name] = value;
}

function plainObject(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw mismatch(value, at, "an object");
  return value as Record<string, unknown>;
}

function mismatch(value: unknown, at: string, allowed: string): Fault {
  return invalid(at, `it is ${kindOf(value)}`, allowed);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "a text";
  if (typeof value === "object") return "an object";
  return `${value as number | boolean | bigint}`;
}

/** Returns the error for a field: where, what is wrong, what is allowed. */
export function invalid(at: string, problem: string, allowed?: string): Fault {
  const rule = allowed === undefined ? "" : ` (allowed: ${allowed})`;
  const why = `${at === "" ? "document" : at}: ${problem}${rule}`;
  return new Fault("invalidParameter", `invalid config.json: ${why}`, {
    code: "spec.invalid",
    detail: { path: at, why },
  });
}
