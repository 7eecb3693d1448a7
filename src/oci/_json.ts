// Bounded reading of JSON documents from untrusted sources (manifests, image configurations). Wrong types and
// oversized lists are Faults that name the field. As in Go's encoding/json, null counts as absent.

import { Fault } from "../lib/errors.ts";

/** Longest list that is believed; Docker stops at 127 layers, histories are a few hundred at most. */
const MAX_ITEMS = 10_000;

/** A JSON object with typed access; `what` is how errors call it. */
export class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly what: string;

  constructor(value: unknown, what: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw malformed(`${what} is not a JSON object`);
    }
    this.#object = value as Record<string, unknown>;
    this.what = what;
  }

  /** Parses `bytes` as one JSON object of at most `maxBytes`. */
  static parse(bytes: Uint8Array, what: string, maxBytes: number): Fields {
    if (bytes.byteLength > maxBytes) throw malformed(`${what} is larger than ${maxBytes} bytes`);
    let value: unknown;
    try {
      value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
    } catch (cause) {
      throw new Fault("invalidParameter", `${what} is not valid JSON`, { code: "oci.malformed", cause });
    }
    return new Fields(value, what);
  }

  #get(key: string): unknown {
    return Object.hasOwn(this.#object, key) ? this.#object[key] : undefined;
  }

  #wrong(key: string, type: string): Fault {
    return malformed(`${this.what}: field ${JSON.stringify(key)} is not ${type}`);
  }

  string(key: string): string | undefined {
    const value = this.#get(key);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string") throw this.#wrong(key, "a string");
    return value;
  }

  requiredString(key: string): string {
    const value = this.string(key);
    if (value === undefined) throw malformed(`${this.what}: field ${JSON.stringify(key)} is missing`);
    return value;
  }

  /** A whole number that JavaScript represents exactly. */
  integer(key: string): number | undefined {
    const value = this.#get(key);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw this.#wrong(key, "an integer");
    return value;
  }

  boolean(key: string): boolean | undefined {
    const value = this.#get(key);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "boolean") throw this.#wrong(key, "a boolean");
    return value;
  }

  strings(key: string): readonly string[] | undefined {
    return this.#array(key)?.map((item) => {
      if (typeof item !== "string") throw this.#wrong(key, "a list of strings");
      return item;
    });
  }

  object(key: string): Fields | undefined {
    const value = this.#get(key);
    if (value === undefined || value === null) return undefined;
    return new Fields(value, `${this.what}: ${key}`);
  }

  objects(key: string): readonly Fields[] | undefined {
    return this.#array(key)?.map((item, index) => new Fields(item, `${this.what}: ${key}[${index}]`));
  }

  /** An object whose values are strings. */
  stringMap(key: string): Readonly<Record<string, string>> | undefined {
    const fields = this.object(key);
    if (fields === undefined) return undefined;
    const map: [string, string][] = [];
    for (const name of fields.keys()) map.push([name, fields.string(name) ?? ""]);
    return recordOf(map);
  }

  keys(): readonly string[] {
    const keys = Object.keys(this.#object);
    if (keys.length > MAX_ITEMS) throw malformed(`${this.what} has more than ${MAX_ITEMS} entries`);
    return keys;
  }

  #array(key: string): readonly unknown[] | undefined {
    const value = this.#get(key);
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value)) throw this.#wrong(key, "a list");
    if (value.length > MAX_ITEMS) throw malformed(`${this.what}: ${key} has more than ${MAX_ITEMS} entries`);
    return value;
  }
}

/** Returns an object with exactly these own properties; `__proto__` is a key like any other. */
export function recordOf<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  return Object.fromEntries(entries);
}

/** Returns the fault for a document that is not what it says it is. */
export function malformed(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "oci.malformed" });
}

/** Returns `object` without the properties that are undefined, in the same order, for JSON output. */
export function compact(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
