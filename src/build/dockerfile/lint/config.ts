// Which findings are wanted: `check` as a directive, as a build argument, or as a comment above one instruction.

import { syntaxError } from "../syntax-error.ts";
import { EXPERIMENTAL, type RuleName } from "./rules.ts";

export interface LintConfig {
  readonly skipped: ReadonlySet<string>;
  readonly skipsAll: boolean;
  /** Experimental rules that are wanted. */
  readonly experimental: ReadonlySet<string>;
  /** Findings fail the build. */
  readonly isError: boolean;
}

const COMMENT = /^check\s*=\s*(\S+)/i;
/** compat: what Go takes for a truth value. */
const TRUE = /^(?:1|t|T|TRUE|true|True)$/;
const FALSE = /^(?:0|f|F|FALSE|false|False)$/;

const invalid = (text: string): Error => syntaxError(`invalid check option ${JSON.stringify(text)}`);
const rulesOf = (value: string): string[] => value.split(",").map((rule) => rule.trim());

function truthOf(value: string, part: string): boolean {
  if (TRUE.test(value)) return true;
  if (FALSE.test(value)) return false;
  throw syntaxError(
    `failed to parse check option ${JSON.stringify(part)}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
  );
}

/** Reads `skip=RULE,…|all;error=true;experimental=RULE,…|all`. Throws Fault `dockerfile.syntax`. */
export function parseCheckOptions(text: string): LintConfig {
  let config: LintConfig = { skipped: new Set(), skipsAll: false, experimental: new Set(), isError: false };
  if (text.trim() === "") return config;
  for (const part of text.split(";")) {
    const [, key = "", value] = /^([^=]*)(?:=(.*))?$/s.exec(part) ?? [];
    if (value === undefined) throw invalid(part);
    const given = value.trim();
    switch (key.trim()) {
      case "skip":
        config =
          given === "all" ? { ...config, skipsAll: true } : { ...config, skipped: new Set(rulesOf(given)) };
        break;
      case "experimental":
        config = { ...config, experimental: given === "all" ? EXPERIMENTAL : new Set(rulesOf(given)) };
        break;
      case "error":
        config = { ...config, isError: truthOf(given, part) };
        break;
      default:
        throw invalid(key.trim());
    }
  }
  return config;
}

/** Returns what is wanted of an instruction with these comments above it; a comment that makes no sense says nothing. */
export function configUnder(config: LintConfig, comments: readonly string[] = []): LintConfig {
  const options = comments.map((comment) => COMMENT.exec(comment)?.[1]).find((value) => value !== undefined);
  if (options === undefined) return config;
  try {
    const more = parseCheckOptions(options);
    return {
      ...config,
      skipsAll: config.skipsAll || more.skipsAll,
      skipped: new Set([...config.skipped, ...more.skipped]),
      experimental: new Set([...config.experimental, ...more.experimental]),
    };
  } catch {
    return config; // ignored: it is a comment
  }
}

/** Whether a rule may speak. */
export function isWanted(rule: RuleName, config: LintConfig): boolean {
  if (EXPERIMENTAL.has(rule)) return config.experimental.has(rule);
  return !config.skipsAll && !config.skipped.has(rule);
}
