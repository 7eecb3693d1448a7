// Variables in texts: `$NAME`, `${NAME}` and its modifiers (`:-`, `-`, `:?`, `?`, `:+`, `+`, nested), `$$` for a dollar.

import { Fault } from "../../lib/errors.ts";

/** Returns a variable's value, undefined when it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface SubstituteOptions {
  readonly lookup: Lookup;
  /** Takes the name of a variable that is not set and has no default. */
  readonly onUnset?: ((name: string) => void) | undefined;
}

/** A variable that a text names, for `config --variables`. */
export interface VariableUse {
  readonly name: string;
  readonly defaultValue: string;
  readonly alternateValue: string;
  readonly isRequired: boolean;
}

const NAME = /^[_a-zA-Z][_a-zA-Z0-9]*/;
const OPERATOR = /^:?[-?+]/;

/** Returns the text with its variables put in. Throws a Fault: a malformed template, or a required variable that is not set. */
export function substitute(template: string, options: SubstituteOptions): string {
  let result = "";
  let rest = template;
  for (;;) {
    const dollar = rest.indexOf("$");
    if (dollar < 0) return result + rest;
    result += rest.slice(0, dollar);
    const { text, end } = expand(rest.slice(dollar + 1), template, options);
    result += text;
    rest = rest.slice(dollar + 1 + end);
  }
}

/** Expands what follows a dollar sign; `end` is how much of it that was. */
function expand(rest: string, template: string, options: SubstituteOptions): { text: string; end: number } {
  if (rest.startsWith("$")) return { text: "$", end: 1 };
  if (!rest.startsWith("{")) {
    const name = NAME.exec(rest)?.[0];
    if (name === undefined) throw invalidTemplate(template);
    return { text: valueOf(name, options), end: name.length };
  }
  const close = closingBrace(rest);
  const inner = rest.slice(1, close);
  const name = NAME.exec(inner)?.[0];
  if (close < 0 || name === undefined) throw invalidTemplate(template);
  const modifier = inner.slice(name.length);
  if (modifier === "") return { text: valueOf(name, options), end: close + 1 };
  const operator = OPERATOR.exec(modifier)?.[0];
  if (operator === undefined) throw invalidTemplate(template);
  return { text: modified(name, operator, modifier.slice(operator.length), options), end: close + 1 };
}

function modified(name: string, operator: string, word: string, options: SubstituteOptions): string {
  const value = options.lookup(name);
  const isThere = operator.startsWith(":") ? value !== undefined && value !== "" : value !== undefined;
  switch (operator.at(-1)) {
    case "-":
      return isThere ? (value as string) : substitute(word, options);
    case "+":
      return isThere ? substitute(word, options) : (value ?? "");
    default: {
      if (isThere) return value as string;
      const reason = substitute(word, options);
      throw new Fault(
        "invalidParameter",
        `required variable ${name} is missing a value${reason === "" ? "" : `: ${reason}`}`,
        { code: "compose.variable" },
      );
    }
  }
}

function valueOf(name: string, { lookup, onUnset }: SubstituteOptions): string {
  const value = lookup(name);
  if (value === undefined) onUnset?.(name);
  return value ?? "";
}

/** Variables in variables' defaults: nobody needs more, and each costs a call within a call. */
const MAX_DEPTH = 100;

/** Index of the brace that closes the one at the start, -1 when there is none or too many are in each other. */
function closingBrace(text: string): number {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const char = text.charAt(index);
    if (char === "{") {
      if (++depth > MAX_DEPTH) return -1;
    } else if (char === "}" && --depth === 0) return index;
  }
  return -1;
}

function invalidTemplate(template: string): Fault {
  return new Fault(
    "invalidParameter",
    `invalid interpolation format, you may need to escape any $ with another $: ${template}`,
    { code: "compose.template" },
  );
}

/** Returns the variables that a text names, nested ones included. A malformed text has none. */
export function variablesOf(template: string): VariableUse[] {
  const found: VariableUse[] = [];
  let rest = template;
  for (;;) {
    const dollar = rest.indexOf("$");
    if (dollar < 0) return found;
    rest = rest.slice(dollar + 1);
    if (rest.startsWith("$")) rest = rest.slice(1);
    else if (rest.startsWith("{")) {
      const close = closingBrace(rest);
      const inner = rest.slice(1, close);
      const name = NAME.exec(inner)?.[0];
      if (close < 0 || name === undefined) return found;
      const modifier = inner.slice(name.length);
      const operator = OPERATOR.exec(modifier)?.[0] ?? "";
      const word = modifier.slice(operator.length);
      found.push({
        name,
        defaultValue: operator.endsWith("-") ? word : "",
        alternateValue: operator.endsWith("+") ? word : "",
        isRequired: operator.endsWith("?"),
      });
      found.push(...variablesOf(word));
      rest = rest.slice(close + 1);
    } else {
      const name = NAME.exec(rest)?.[0];
      if (name === undefined) return found;
      found.push({ name, defaultValue: "", alternateValue: "", isRequired: false });
      rest = rest.slice(name.length);
    }
  }
}
