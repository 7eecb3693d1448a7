// `--check`: looks at a parsed Dockerfile for what works and is a mistake nevertheless. `# check=skip=RULE,…;error=true` at the
// top of the file leaves rules out, or makes findings errors. Nothing is built and no image is needed.

import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { compileIgnorePatterns } from "../../lib/patternmatch/ignore-patterns.ts";
import { parseReference } from "../../oci/reference.ts";
import { expandWord } from "./expand.ts";
import type { Instruction, ListInstruction, StageInstruction } from "./instructions.ts";
import { EXPERIMENTAL, findingOf, type LintFinding, type RuleName } from "./lint-rules.ts";
import { type ImageVariables, VariableScopes } from "./lint-variables.ts";
import type { ParsedDockerfile } from "./parse.ts";
import { findNearest, suggestion } from "./suggest.ts";
import { syntaxError } from "./syntax-error.ts";

const RESERVED = new Set(["scratch", "context"]);
const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const HARMLESS = /(?:_|^)(?:public|file|version)(?:_|$)/i;
/** Arguments that need no declaration in front of FROM. */
const PLATFORM_ARG = /^(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT|OSVERSION|STAGE)$/;

export interface LintOptions {
  /** Patterns of .dockerignore. */
  readonly ignored: readonly string[];
  /** What the images set that stages start from; absent: none of them is known. */
  readonly imageVariables?: ImageVariables;
}

export interface LintResult {
  readonly findings: readonly LintFinding[];
  /** `# check=error=true`: findings fail the build. */
  readonly isError: boolean;
}

interface Config {
  readonly skipped: ReadonlySet<string>;
  readonly skipsAll: boolean;
  readonly isError: boolean;
  /** Experimental rules that are wanted. */
  readonly experimental: ReadonlySet<string>;
}

/** Reads the value of the check directive. Throws Fault `dockerfile.syntax`. */
function parseCheck(text: string): Config {
  const skipped = new Set<string>();
  let skipsAll = false;
  let isError = false;
  const experimental = new Set<string>();
  for (const part of text.split(";").filter((p) => p.trim() !== "")) {
    const [key = "", value] = part.split("=", 2).map((p) => p.trim());
    if (value === undefined || !["skip", "error", "experimental"].includes(key))
      throw syntaxError(`invalid check option ${JSON.stringify(part)}`);
    if (key === "error") isError = value === "true" || value === "1";
    if (key === "experimental")
      for (const rule of value === "all" ? EXPERIMENTAL : value.split(",")) experimental.add(rule.trim());
    if (key !== "skip") continue;
    if (value === "all") skipsAll = true;
    else for (const rule of value.split(",")) skipped.add(rule.trim());
  }
  return { skipped, skipsAll, isError, experimental };
}

const keywordOf = (i: Instruction): string => /^\s*(\S+)/.exec(i.text)?.[1] ?? "";
const isUpper = (word: string): boolean => word === word.toUpperCase();
const isLower = (word: string): boolean => word === word.toLowerCase();

/** Whether a text is an image name as it is, without variables. */
export function isReference(text: string): boolean {
  try {
    return parseReference(text).path !== "";
  } catch {
    return false; // ignored: that is the answer
  }
}

class Linter {
  readonly findings: LintFinding[] = [];
  private readonly file: ParsedDockerfile;
  private readonly options: LintOptions;
  /** Defaults of ARG in front of the first FROM. */
  private readonly globalArgs = new Map<string, string>();
  private readonly variables: VariableScopes;
  private readonly stageNames = new Set<string>();
  private stageCount = 0;
  /** Of the current stage: where the instructions stand of which the last one counts, and whether there was a WORKDIR. */
  private single = new Map<string, StageInstruction>();
  private hasWorkdir = false;
  private hasShell = false;
  private isInStage = false;

  constructor(file: ParsedDockerfile, options: LintOptions) {
    this.file = file;
    this.options = options;
    this.variables = new VariableScopes(options.imageVariables ?? (() => undefined), this.escape);
  }

  private get escape(): string {
    return this.file.directives.escape;
  }

  private report(rule: RuleName, message: string, at: Instruction): void {
    this.findings.push(findingOf(rule, message, at.lines));
  }

  run(): void {
    this.checkCasing();
    for (const instruction of this.file.instructions) this.check(instruction);
    this.findings.sort((a, b) => a.line - b.line);
  }

  private checkCasing(): void {
    const words = this.file.instructions.map(keywordOf);
    const lower = words.filter(isLower).length;
    const upper = words.filter(isUpper).length;
    const isLowerWanted = lower > upper;
    for (const instruction of this.file.instructions) {
      const word = keywordOf(instruction);
      if (isLowerWanted ? isLower(word) : isUpper(word)) continue;
      const wanted = isLowerWanted ? "lowercase" : "uppercase";
      this.report(
        "ConsistentInstructionCasing",
        `Command '${word}' should match the case of the command majority (${wanted})`,
        instruction,
      );
    }
  }

  private check(i: Instruction): void {
    // compat: it is told of the instruction's last line.
    const last = { start: i.lines.end, end: i.lines.end };
    if (i.hasEmptyContinuation === true)
      this.findings.push(findingOf("NoEmptyContinuation", "Empty continuation line", last));
    if (this.isInStage && i.kind !== "from") this.checkVariables(i);
    this.checkInstruction(i);
    this.variables.learn(i);
  }

  private checkVariables(i: Instruction): void {
    const { unset, known } = this.variables.undefinedIn(i);
    for (const name of unset) {
      const near = findNearest(name, known);
      const hint = near === undefined ? "" : ` (did you mean $${near}?)`;
      this.report("UndefinedVar", `Usage of undefined variable '$${name}'${hint}`, i);
    }
  }

  /** A comment directly above what has a name describes it, beginning with the name. */
  private checkDescription(name: string, i: Instruction): void {
    const comment = i.comments?.at(-1);
    if (
      name === "" ||
      comment === undefined ||
      comment.split(/\s/, 1)[0]?.toLowerCase() === name.toLowerCase()
    )
      return;
    const keyword = keywordOf(i).toUpperCase();
    this.report(
      "InvalidDefinitionDescription",
      `Comment for ${keyword} should follow the format: \`# ${name} <description>\``,
      i,
    );
  }

  private checkInstruction(i: Instruction): void {
    switch (i.kind) {
      case "from":
        this.isInStage = true;
        this.variables.enter(i, this.stageCount++);
        this.single = new Map();
        this.hasWorkdir = false;
        this.hasShell = false;
        return this.checkFrom(i);
      case "arg":
        if (i.args.length === 1) this.checkDescription(i.args[0]?.name ?? "", i);
        for (const { name, value = "" } of i.args) {
          if (!this.isInStage) this.globalArgs.set(name, this.withDefaults(value));
          this.checkSecret("ARG", name, i);
        }
        return;
      case "env":
      case "label":
        return this.checkPairs(i);
      case "maintainer":
        return this.report(
          "MaintainerDeprecated",
          "Maintainer instruction is deprecated in favor of using label",
          i,
        );
      case "workdir":
        if (!this.hasWorkdir && !/^["']?[/$]/.test(i.value))
          this.report(
            "WorkdirRelativePath",
            `Relative workdir ${JSON.stringify(i.value)} can have unexpected results if the base image changes`,
            i,
          );
        this.hasWorkdir = true;
        return;
      case "shell":
        this.hasShell = true;
        return;
      case "cmd":
      case "entrypoint":
        if (i.command.isShellForm && i.command.words.length > 0 && !this.hasShell)
          this.report(
            "JSONArgsRecommended",
            `JSON arguments recommended for ${i.kind.toUpperCase()} to prevent unintended behavior related to OS signals`,
            i,
          );
        return this.checkSingle(i);
      case "healthcheck":
        return this.checkSingle(i);
      case "expose":
        return this.checkExpose(i);
      case "copy":
      case "add":
        return this.checkCopy(i);
    }
  }

  /** Returns a word with the defaults of the global arguments. */
  private withDefaults(text: string): string {
    const lookup = (name: string): string | undefined =>
      this.globalArgs.get(name) ?? (PLATFORM_ARG.test(name) ? "x" : undefined);
    try {
      return expandWord(text, lookup, { escape: this.escape });
    } catch {
      return text; // ignored: the build reports it with its place
    }
  }

  private checkFrom(i: Extract<Instruction, { kind: "from" }>): void {
    this.checkDescription(i.name, i);
    if (i.name !== "" && this.stageNames.has(i.name))
      this.report(
        "DuplicateStageName",
        `Duplicate stage name ${JSON.stringify(i.name)}, stage names should be unique`,
        i,
      );
    this.stageNames.add(i.name);
    if (!isReference(this.withDefaults(i.base)))
      this.report(
        "InvalidDefaultArgInFrom",
        `Default value for ARG ${i.base} results in empty or invalid base image name`,
        i,
      );
    const words = i.text.trim().split(/\s+/);
    const as = words.at(-2) ?? "";
    const name = words.at(-1) ?? "";
    if (i.name !== "" && as.toLowerCase() === "as") {
      const from = words[0] as string;
      if (isUpper(from) !== isUpper(as))
        this.report("FromAsCasing", `'${as}' and '${from}' keywords' casing do not match`, i);
      if (!isLower(name)) this.report("StageNameCasing", `Stage name '${name}' should be lowercase`, i);
      if (RESERVED.has(i.name))
        this.report(
          "ReservedStageName",
          `Stage name should not use the same name as reserved stage ${JSON.stringify(i.name)}`,
          i,
        );
    }
    for (const text of [i.base, i.platform]) this.checkFromArgs(text, i);
    if (/^\$\{?TARGETPLATFORM\}?$/.test(i.platform))
      this.report(
        "RedundantTargetPlatform",
        `Setting platform to predefined ${i.platform} in FROM is redundant as this is the default behavior`,
        i,
      );
    else if (i.platform !== "" && !i.platform.includes("$")) this.checkConstantPlatform(i);
  }

  private checkConstantPlatform(i: Extract<Instruction, { kind: "from" }>): void {
    const named = i.platform.split("/").some((part) => part !== "" && i.name.includes(part));
    if (!named)
      this.report(
        "FromPlatformFlagConstDisallowed",
        `FROM --platform flag should not use constant value ${JSON.stringify(i.platform)}`,
        i,
      );
  }

  private checkFromArgs(text: string, i: Instruction): void {
    for (const [, name = ""] of text.matchAll(/\$\{?(\w+)/g)) {
      if (this.globalArgs.has(name) || PLATFORM_ARG.test(name)) continue;
      const hint = suggestion(name, [...this.globalArgs.keys()], { isCaseSensitive: true });
      this.report("UndefinedArgInFrom", `FROM argument '${name}' is not declared${hint}`, i);
    }
  }

  private checkSecret(keyword: string, name: string, i: Instruction): void {
    if (SECRET.test(name) && !HARMLESS.test(name))
      this.report(
        "SecretsUsedInArgOrEnv",
        `Do not use ARG or ENV instructions for sensitive data (${keyword} ${JSON.stringify(name)})`,
        i,
      );
  }

  private checkPairs(i: Extract<Instruction, { kind: "env" | "label" }>): void {
    const keyword = i.kind.toUpperCase();
    const [, first = ""] = /^\s*\S+\s+(\S+)/.exec(i.text) ?? [];
    if (!first.includes("="))
      this.report(
        "LegacyKeyValueFormat",
        `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`,
        i,
      );
    if (i.kind === "env") for (const { name } of i.pairs) this.checkSecret("ENV", name, i);
  }

  private checkSingle(i: StageInstruction): void {
    const before = this.single.get(i.kind);
    if (before !== undefined)
      this.report(
        "MultipleInstructionsDisallowed",
        `Multiple ${i.kind.toUpperCase()} instructions should not be used in the same stage because only the last one will be used`,
        before,
      );
    this.single.set(i.kind, i);
  }

  private checkExpose(i: ListInstruction): void {
    for (const port of i.values) {
      const protocol = port.split("/")[1] ?? "";
      if (!isLower(protocol))
        this.report(
          "ExposeProtoCasing",
          `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
          i,
        );
      if (port.includes(":") && !port.includes("$"))
        this.report(
          "ExposeInvalidFormat",
          `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
          i,
        );
    }
  }

  private checkCopy(i: Extract<Instruction, { kind: "copy" | "add" }>): void {
    if (this.options.ignored.length === 0 || (i.kind === "copy" && i.from !== "")) return;
    const patterns = compileIgnorePatterns(this.options.ignored);
    for (const source of i.sources) {
      if (/[*?[$]|:\/\//.test(source)) continue;
      const path = cleanPath(source);
      const verb = i.kind === "add" ? "Add" : "Copy";
      if (path !== "." && path !== "/" && patterns.match(path).isMatch)
        this.report(
          "CopyIgnoredFile",
          `Attempting to ${verb} file ${JSON.stringify(path)} that is excluded by .dockerignore`,
          i,
        );
    }
  }
}

/** Checks a Dockerfile. Throws Fault `dockerfile.syntax` for a check directive that says nothing. */
export function lintDockerfile(file: ParsedDockerfile, options: LintOptions): LintResult {
  const config = parseCheck(file.directives.check ?? "");
  const linter = new Linter(file, options);
  linter.run();
  const findings = config.skipsAll
    ? []
    : linter.findings.filter(
        ({ rule }) => !config.skipped.has(rule) && (!EXPERIMENTAL.has(rule) || config.experimental.has(rule)),
      );
  return { findings, isError: config.isError };
}
