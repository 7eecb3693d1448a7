// The `--flags` of one instruction against the list of those it knows. Texts of the errors are BuildKit's.

import { suggestion } from "./suggest.ts";
import { syntaxError } from "./syntax-error.ts";

/** What a flag takes: nothing or true/false, one value, or several. */
export type FlagKind = "boolean" | "value" | "values";

/** The flags that were given, by name. */
export class Flags {
  private readonly given = new Map<string, string[]>();

  /** Checks `words` (`--name`, `--name=value`) against `known`. */
  constructor(words: readonly string[], known: Readonly<Record<string, FlagKind>>) {
    for (const word of words) {
      const equals = word.indexOf("=");
      const flag = equals < 0 ? word : word.slice(0, equals);
      const value = equals < 0 ? undefined : word.slice(equals + 1);
      const name = flag.slice(2);
      const kind = Object.hasOwn(known, name) ? known[name] : undefined;
      if (kind === undefined) {
        const hint = suggestion(name, Object.keys(known), { isCaseSensitive: true });
        throw syntaxError(`unknown flag: ${flag}${hint}`);
      }
      const before = this.given.get(name);
      if (before !== undefined && kind !== "values") throw syntaxError(`duplicate flag specified: ${flag}`);
      this.given.set(name, [...(before ?? []), checkValue(flag, kind, value)]);
    }
  }

  /** The value of a flag, "" when it was not given. */
  value(name: string): string {
    return this.given.get(name)?.[0] ?? "";
  }

  values(name: string): readonly string[] {
    return this.given.get(name) ?? [];
  }

  isTrue(name: string): boolean {
    return this.value(name) === "true";
  }

  /** True, false, or undefined when it was not given. */
  optional(name: string): boolean | undefined {
    return this.given.has(name) ? this.isTrue(name) : undefined;
  }
}

function checkValue(flag: string, kind: FlagKind, value: string | undefined): string {
  if (kind === "boolean") {
    if (value === "") throw syntaxError(`missing a value on flag: ${flag}`);
    const word = (value ?? "true").toLowerCase();
    if (word !== "true" && word !== "false") {
      throw syntaxError(`expecting boolean value for flag ${flag}, not: ${value}`);
    }
    return word;
  }
  if (value === undefined) throw syntaxError(`missing a value on flag: ${flag}`);
  return value;
}
