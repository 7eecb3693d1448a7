// The instructions of a stage, one after the other, with the values that they find.

import { cleanPath } from "../../../lib/patternmatch/clean-path.ts";
import { compileIgnorePatterns } from "../../../lib/patternmatch/ignore-patterns.ts";
import { parseCsv } from "../../../lib/flags/spec.ts";
import type { Instruction, ListInstruction, StageInstruction } from "../instructions.ts";
import { findNearest } from "../suggest.ts";
import { keywordOf, isLower, type LintReport } from "./report.ts";
import { expandKnown, type Values, wordsKnown } from "./values.ts";

const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const HARMLESS = /(?:_|^)(?:public|file|version)(?:_|$)/i;
/** What ADD fetches itself. */
const REMOTE = /^(?:https?:\/\/|git:\/\/|ssh:\/\/|git@)/;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What an image brings along. */
export interface LintedImage {
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly hasShell: boolean;
  /** Its ONBUILD. */
  readonly triggers: readonly string[];
}

/** What all stages share. */
export interface StageSurroundings {
  readonly report: LintReport;
  readonly escape: string;
  /** Values of ARG in front of the first FROM, and predefined ones. */
  readonly globals: Values;
  /** `--build-arg`. */
  readonly given: Readonly<Record<string, string | null>>;
  /** Whether a clean path of the context is left out by .dockerignore. */
  readonly isIgnored: (path: string) => boolean;
}

/** Returns what tells whether a path is ignored by these lines; with exceptions among them nothing can be said of a path by itself. */
export function ignoredBy(lines: readonly string[]): (path: string) => boolean {
  const patterns = compileIgnorePatterns(lines);
  if (lines.length === 0 || patterns.hasExceptions) return () => false;
  const takesAll = lines.some((line) => ["*", "**", "**/*"].includes(cleanPath(line.trim())));
  return (path) => (path === "." || path === "/" ? takesAll : patterns.match(path).isMatch);
}

type Of<K extends Instruction["kind"]> = Extract<Instruction, { kind: K }>;

/** Returns the values of a mount's fields. */
function mountValues(mount: string): string[] {
  try {
    return parseCsv(mount).flatMap((field) =>
      field.includes("=") ? [field.slice(field.indexOf("=") + 1)] : [],
    );
  } catch {
    return []; // ignored: the build reports it
  }
}

export class StageLinter {
  readonly #around: StageSurroundings;
  readonly #env: Map<string, string>;
  /** Names that ARG has declared. */
  readonly #args: Set<string>;
  /** Whether all that the image sets is known. */
  readonly #isKnown: boolean;
  #hasShell: boolean;
  #hasWorkdir: boolean;
  /** Where the instructions stand of which the last one counts. */
  readonly #single = new Map<string, StageInstruction>();

  /** A stage on an image, undefined where it is not known, or on an earlier stage. */
  constructor(base: LintedImage | StageLinter | undefined, around: StageSurroundings) {
    this.#around = around;
    if (base instanceof StageLinter) {
      this.#env = new Map(base.#env);
      this.#args = new Set(base.#args);
      this.#isKnown = base.#isKnown;
      this.#hasShell = base.#hasShell;
      this.#hasWorkdir = base.#hasWorkdir;
      return;
    }
    this.#env = new Map([["PATH", PATH]]);
    for (const entry of base?.env ?? []) {
      const [name = ""] = entry.split("=", 1);
      this.#env.set(name, entry.slice(name.length + 1));
    }
    this.#args = new Set();
    this.#isKnown = base !== undefined;
    this.#hasShell = base?.hasShell ?? false;
    this.#hasWorkdir = false;
  }

  /** Replaces variables, and tells of those that nothing has set. */
  #expand(word: string, i: Instruction, options: { isContent?: boolean } = {}): string {
    const { escape, report } = this.#around;
    // compat: in a here-document the escape character is always the same.
    const how = options.isContent === true ? { escape: "\\", ignoreQuotes: true } : { escape };
    const expanded = expandKnown(word, this.#env, how);
    if (this.#isKnown)
      for (const name of expanded?.unmatched ?? []) {
        if (this.#args.has(name)) continue;
        const near = findNearest(name, [...this.#env.keys()]);
        const hint = near === undefined ? "" : ` (did you mean $${near}?)`;
        report.addTo("UndefinedVar", `Usage of undefined variable '$${name}'${hint}`, i);
      }
    return expanded?.text ?? word;
  }

  check(i: StageInstruction): void {
    switch (i.kind) {
      case "arg":
        return this.#arg(i);
      case "env":
        return this.#pairs(i);
      case "label":
        return this.#pairs(i);
      case "copy":
      case "add":
        return this.#copy(i);
      case "run":
        for (const value of i.mounts.flatMap(mountValues)) this.#expand(value, i);
        return;
      case "user":
      case "stopsignal":
        this.#expand(i.value, i);
        return;
      case "volume":
        for (const value of i.values) this.#expand(value, i);
        return;
      case "workdir":
        return this.#workdir(i.value, i);
      case "shell":
        this.#hasShell = true;
        return;
      case "cmd":
      case "entrypoint":
        this.#checkSingle(i);
        return this.#checkForm(i);
      case "healthcheck":
        return this.#checkSingle(i);
      case "expose":
        return this.#expose(i);
    }
  }

  #arg(i: Of<"arg">): void {
    const { given, globals } = this.#around;
    for (const { name, value } of i.args) {
      this.#checkSecret("ARG", name, i);
      const own = Object.hasOwn(given, name) ? given[name] : undefined;
      const text = own ?? (value === undefined ? globals.get(name) : this.#expand(value, i));
      if (text !== undefined) this.#env.set(name, text);
      this.#args.add(name);
    }
  }

  #pairs(i: Of<"env" | "label">): void {
    const pairs = i.pairs.map(({ name, value }) => ({
      name: this.#expand(name, i),
      value: this.#expand(value, i),
    }));
    const keyword = keywordOf(i);
    const [, first = ""] = /^\s*\S+\s+(\S+)/.exec(i.text) ?? [];
    if (!first.includes("="))
      this.#around.report.addTo(
        "LegacyKeyValueFormat",
        `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`,
        i,
      );
    if (i.kind === "label") return;
    for (const { name, value } of pairs) {
      this.#checkSecret("ENV", name, i);
      this.#env.set(name, value);
    }
  }

  #workdir(value: string, i: Instruction): void {
    const path = this.#expand(value, i);
    if (!this.#hasWorkdir && !path.startsWith("/"))
      this.#around.report.addTo(
        "WorkdirRelativePath",
        `Relative workdir ${JSON.stringify(path)} can have unexpected results if the base image changes`,
        i,
      );
    this.#hasWorkdir = true;
  }

  #checkForm(i: Of<"cmd" | "entrypoint">): void {
    if (i.command.isShellForm && i.command.words.length > 0 && !this.#hasShell)
      this.#around.report.addTo(
        "JSONArgsRecommended",
        `JSON arguments recommended for ${keywordOf(i)} to prevent unintended behavior related to OS signals`,
        i,
      );
  }

  #checkSingle(i: StageInstruction): void {
    const before = this.#single.get(i.kind);
    // It is told of the earlier one, which does not count, as the later one's comments want it.
    if (before !== undefined)
      this.#around.report.addTo(
        "MultipleInstructionsDisallowed",
        `Multiple ${keywordOf(i)} instructions should not be used in the same stage because only the last one will be used`,
        { ...i, lines: before.lines },
      );
    this.#single.set(i.kind, i);
  }

  #checkSecret(keyword: string, name: string, i: Instruction): void {
    if (!SECRET.test(name) || HARMLESS.test(name)) return;
    const message = `Do not use ARG or ENV instructions for sensitive data (${keyword} ${JSON.stringify(name)})`;
    this.#around.report.addTo("SecretsUsedInArgOrEnv", message, i);
  }

  #expose(i: ListInstruction): void {
    const { escape, report } = this.#around;
    for (const port of i.values.flatMap((value) => wordsKnown(value, this.#env, escape))) {
      const parts = port.split(":");
      const protocol = parts.at(-1)?.split("/").slice(1).join("/") ?? "";
      if (!isLower(protocol)) {
        const message = `Defined protocol '${port}' in EXPOSE instruction should be lowercase`;
        report.addTo("ExposeProtoCasing", message, i);
      }
      if (parts.slice(0, -1).some((part) => part !== "")) {
        const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`;
        report.addTo("ExposeInvalidFormat", message, i);
      }
    }
  }

  #copy(i: Of<"copy" | "add">): void {
    this.#expand(i.chown, i);
    this.#expand(i.chmod, i);
    if (i.kind === "add") this.#expand(i.checksum, i);
    const sources = i.sources.map((source) => this.#expand(source, i));
    this.#expand(i.destination, i);
    for (const { content, isExpanded } of i.contents)
      if (isExpanded) this.#expand(content, i, { isContent: true });
    if (i.kind === "copy" && i.from !== "") return;
    for (const source of sources)
      if (i.kind === "copy" || !REMOTE.test(source)) this.#checkIgnored(cleanPath(source), i);
  }

  #checkIgnored(path: string, i: Of<"copy" | "add">): void {
    if (!this.#around.isIgnored(path)) return;
    const verb = i.kind === "add" ? "Add" : "Copy";
    const message = `Attempting to ${verb} file ${JSON.stringify(path)} that is excluded by .dockerignore`;
    this.#around.report.addTo("CopyIgnoredFile", message, i);
  }
}
