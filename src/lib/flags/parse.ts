// Parses argv by pflag's rules: grouped one-letter flags, `-eA=1`, `--env A=1`, `--env=A=1`, `--tty=false`, `--`,
// and flags that stop at the first operand. Error texts are pflag's, which users and scripts know.
// It does not know commands, help pages or exit codes.

import { Fault, messageOf } from "../errors.ts";
import type { FlagSpec, FlagTable, FlagValues } from "./spec.ts";

export interface ParseOptions {
  /** False stops at the first operand, so that the rest belongs to another program. */
  readonly interspersed?: boolean;
}

export interface ParsedFlags<F extends FlagTable> {
  readonly values: FlagValues<F>;
  /** Long names of the flags that were given. */
  readonly given: ReadonlySet<string>;
  readonly args: readonly string[];
  /** How `--help` was asked for, if it was; parsing stopped there. */
  readonly help: "help" | "h" | undefined;
  /** Lines about deprecated flags, to be printed. */
  readonly notices: readonly string[];
}

function usage(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "flags.usage" });
}

/** Parses the arguments after the command's name. Throws a Fault `flags.usage` with pflag's message. */
export function parseFlags<F extends FlagTable>(
  table: F,
  argv: readonly string[],
  options: ParseOptions = {},
): ParsedFlags<F> {
  const parser = new Parser(table, argv, options.interspersed ?? true);
  parser.run();
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(table)) {
    values[name] = parser.values.has(name) ? parser.values.get(name) : spec.initial;
  }
  return {
    values: values as FlagValues<F>,
    given: new Set(parser.values.keys()),
    args: parser.args,
    help: parser.help,
    notices: parser.notices,
  };
}

class Parser {
  readonly values = new Map<string, unknown>();
  readonly args: string[] = [];
  readonly notices: string[] = [];
  help: "help" | "h" | undefined;
  private readonly table: FlagTable;
  private readonly shorts = new Map<string, string>();
  private readonly rest: string[];
  private readonly interspersed: boolean;

  constructor(table: FlagTable, argv: readonly string[], interspersed: boolean) {
    this.table = table;
    this.rest = [...argv];
    this.interspersed = interspersed;
    for (const [name, spec] of Object.entries(table)) {
      if (spec.short !== undefined) this.shorts.set(spec.short, name);
    }
  }

  run(): void {
    while (this.rest.length > 0 && this.help === undefined) {
      const arg = this.rest.shift() as string;
      if (!arg.startsWith("-") || arg === "-") {
        this.args.push(arg);
        if (this.interspersed) continue;
        break;
      }
      if (arg === "--") break;
      if (arg.startsWith("--")) this.long(arg);
      else this.group(arg.slice(1));
    }
    if (this.help === undefined) this.args.push(...this.rest);
  }

  private long(arg: string): void {
    const equals = arg.indexOf("=");
    const name = arg.slice(2, equals < 0 ? undefined : equals);
    if (name === "" || name.startsWith("-")) throw usage(`bad flag syntax: ${arg}`);
    const spec = this.spec(name);
    if (spec === undefined) {
      if (name !== "help") throw usage(`unknown flag: --${name}`);
      this.help = "help";
      return;
    }
    if (equals >= 0) this.set(name, spec, arg.slice(equals + 1));
    else if (spec.noValue !== undefined) this.set(name, spec, spec.noValue);
    else if (this.rest.length > 0) this.set(name, spec, this.rest.shift() as string);
    else throw usage(`flag needs an argument: --${name}`);
  }

  private group(letters: string): void {
    for (let rest = letters; rest !== "" && this.help === undefined; ) {
      const letter = rest.charAt(0);
      const name = this.shorts.get(letter);
      const spec = name === undefined ? undefined : this.spec(name);
      if (name === undefined || spec === undefined) {
        if (letter !== "h") throw usage(`unknown shorthand flag: '${letter}' in -${rest}`);
        this.help = "h";
        return;
      }
      const value = this.shortValue(spec, rest);
      if (value === undefined) throw usage(`flag needs an argument: '${letter}' in -${rest}`);
      if (spec.shortDeprecated !== undefined) {
        this.notices.push(`Flag shorthand -${letter} has been deprecated, ${spec.shortDeprecated}`);
      }
      this.set(name, spec, value.text);
      rest = value.isRest ? "" : rest.slice(1);
    }
  }

  private shortValue(
    spec: FlagSpec<unknown>,
    letters: string,
  ): { text: string; isRest: boolean } | undefined {
    if (letters.length > 2 && letters.charAt(1) === "=") return { text: letters.slice(2), isRest: true };
    if (spec.noValue !== undefined) return { text: spec.noValue, isRest: false };
    if (letters.length > 1) return { text: letters.slice(1), isRest: true };
    const next = this.rest.shift();
    return next === undefined ? undefined : { text: next, isRest: true };
  }

  private set(name: string, spec: FlagSpec<unknown>, text: string): void {
    try {
      this.values.set(name, spec.parse(text, this.values.get(name)));
    } catch (error) {
      const label =
        spec.short === undefined || spec.shortDeprecated !== undefined
          ? `--${name}`
          : `-${spec.short}, --${name}`;
      throw usage(`invalid argument ${JSON.stringify(text)} for "${label}" flag: ${messageOf(error)}`);
    }
    if (spec.deprecated !== undefined)
      this.notices.push(`Flag --${name} has been deprecated, ${spec.deprecated}`);
  }

  private spec(name: string): FlagSpec<unknown> | undefined {
    return Object.hasOwn(this.table, name) ? this.table[name] : undefined;
  }
}
