// Go's text/template as Docker uses it: parse once, execute on values, get text. This is the folder's entry; the
// language is in lex, parse and exec, the functions in builtins and docker-funcs, Go's values in values.

import { builtins } from "./builtins.ts";
import { dockerFunctions } from "./docker-funcs.ts";
import type { MissingKey } from "./evaluate.ts";
import { executeTemplate } from "./exec.ts";
import { parseTemplate, type Tree } from "./parse.ts";
import type { GoFunc } from "./values.ts";

export interface TemplateOptions {
  /** Name shown in errors; Docker's templates have the empty name. */
  readonly name?: string;
  /** Functions beside Go's own; Docker's by default. */
  readonly functions?: Readonly<Record<string, GoFunc>>;
}

export interface ExecuteOptions {
  readonly missingKey?: MissingKey;
  /** Functions that replace those of the same name for this execution. */
  readonly functions?: Readonly<Record<string, GoFunc>>;
}

/** A parsed template; immutable. */
export class Template {
  readonly name: string;
  private readonly trees: ReadonlyMap<string, Tree>;
  private readonly functions: Readonly<Record<string, GoFunc>>;

  /**
   * Parses the text. Throws a Fault `template.syntax` with Go's message (`template: :1: unclosed action`).
   * @example new Template("{{.ID}} {{upper .Name}}").execute({ ID: 7, Name: "web" }) // "7 WEB"
   */
  constructor(source: string, options: TemplateOptions = {}) {
    this.name = options.name ?? "";
    this.functions = { ...builtins, ...(options.functions ?? dockerFunctions) };
    this.trees = parseTemplate(this.name, source, (name) => Object.hasOwn(this.functions, name));
  }

  /** Runs the template on a value. Throws a Fault `template.execute` with Go's message. */
  execute(data: unknown, options: ExecuteOptions = {}): string {
    return executeTemplate(this.name, data, {
      trees: this.trees,
      functions:
        options.functions === undefined ? this.functions : { ...this.functions, ...options.functions },
      missingKey: options.missingKey ?? "invalid",
    });
  }
}
