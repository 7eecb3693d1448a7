// The image configuration of a stage while its instructions are read: what ENV, CMD, EXPOSE … do to it, and how the
// history calls it. Pure; files are not touched here.

import type { Healthcheck, RunConfig } from "../../oci/image-config.ts";
import { expandWord, expandWords } from "../dockerfile/expand.ts";
import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { formatDuration } from "../../lib/units/duration.ts";
import type {
  CommandLine,
  HealthcheckInstruction,
  KeyValue,
  StageInstruction,
  ValueInstruction,
} from "../dockerfile/instructions.ts";
import { syntaxError } from "../dockerfile/syntax-error.ts";
import type { BuildArgs } from "./args.ts";
import type { Dialect } from "./dialect.ts";
import { quoteGoList, showGoList } from "./go-format.ts";
import { parseExposedPorts } from "./ports-spec.ts";
import { checkSignal } from "./signals.ts";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Variables that double each other must not fill the memory. */
const MAX_TEXT = 4 << 20;
const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];

/** What an instruction did to the configuration, in the words of the history. */
export interface ConfigChange {
  /** Without the shell in front of it; undefined when the history does not speak of it. */
  readonly comment: string | undefined;
  /** Lines for the user. */
  readonly notes?: readonly string[];
}

const nameOf = (entry: string): string => entry.split("=", 1)[0] as string;
const union = (a: readonly string[] | undefined, b: readonly string[]): string[] => [
  ...new Set([...(a ?? []), ...b]),
];

/** The state of one stage between two instructions. */
export class StageState {
  config: RunConfig;
  author = "";
  /** Whether this stage has set CMD: ENTRYPOINT forgets one that was inherited. */
  private isCmdSet = false;
  readonly args: BuildArgs;
  readonly escape: string;
  readonly dialect: Dialect;
  /** Variables of the image that an ARG behind their ENV hides, where the dialect has it so. */
  private readonly hiding = new Map<string, string>();

  /** A build gives its images a PATH; with `keepsPath` what has none stays without. */
  constructor(
    base: RunConfig,
    args: BuildArgs,
    escape: string,
    options: { keepsPath?: boolean; dialect?: Dialect; inherited?: StageState | undefined } = {},
  ) {
    const env = base.env ?? [];
    const hasPath = options.keepsPath === true || env.some((e) => nameOf(e) === "PATH");
    this.config = hasPath ? base : { ...base, env: [...env, DEFAULT_PATH] };
    this.args = args;
    this.escape = escape;
    this.dialect = options.dialect ?? "classic";
    for (const [name, value] of options.inherited?.hiding ?? []) this.hiding.set(name, value);
  }

  get shell(): readonly string[] {
    const { shell } = this.config;
    return shell === undefined || shell.length === 0 ? DEFAULT_SHELL : shell;
  }

  get env(): readonly string[] {
    return this.config.env ?? [];
  }

  /** The image's variables as a command sees them. */
  get commandEnv(): readonly string[] {
    if (this.hiding.size === 0) return this.env;
    return this.env.map((entry) => {
      const hidden = this.hiding.get(nameOf(entry));
      return hidden === undefined ? entry : `${nameOf(entry)}=${hidden}`;
    });
  }

  lookup(name: string): string | undefined {
    const hidden = this.hiding.get(name);
    if (hidden !== undefined) return hidden;
    const entry = this.env.findLast((e) => nameOf(e) === name);
    return entry === undefined ? this.args.lookup(name) : entry.slice(name.length + 1);
  }

  /** `name=value` of the build arguments that RUN sees besides the image's variables. */
  buildEnvironment(): string[] {
    return this.args.environment(this.env);
  }

  /** The build arguments as the history of RUN shows them. */
  recordedArgs(): string[] {
    if (this.dialect === "buildkit")
      return this.args.declaredNames().map((name) => `${name}=${this.lookup(name) ?? ""}`);
    return this.buildEnvironment()
      .filter((entry) => this.isRecorded(entry))
      .sort();
  }

  /** Whether an entry of the build environment shows in history and cache keys. */
  isRecorded(entry: string): boolean {
    return this.args.isRecorded(nameOf(entry));
  }

  /** Replaces variables in one word, quotes and escapes removed. */
  expand(text: string): string {
    return expandWord(text, (name) => this.lookup(name), { escape: this.escape });
  }

  /** Replaces variables in the content of a here-document. */
  expandContent(text: string): string {
    return expandWord(text, (name) => this.lookup(name), { escape: this.escape, ignoreQuotes: true });
  }

  /** Returns the created_by of a step that ran nothing. */
  createdBy(comment: string): string {
    return this.dialect === "buildkit" ? comment : [...this.shell, "#(nop) ", comment].join(" ");
  }

  /** Returns the words of a command: those of exec form, or the shell with the line. */
  commandWords(command: CommandLine): readonly string[] {
    return command.isShellForm && command.words.length > 0
      ? [...this.shell, ...command.words]
      : command.words;
  }

  private update(change: RunConfig): void {
    this.config = { ...this.config, ...change };
    const texts = [...(this.config.env ?? []), ...Object.values(this.config.labels ?? {})];
    if (texts.reduce((sum, text) => sum + text.length, 0) > MAX_TEXT) {
      throw syntaxError(`environment and labels are larger than ${MAX_TEXT} characters`);
    }
  }

  /** Removes the triggers that are about to run, and returns them. */
  takeTriggers(): readonly string[] {
    const triggers = this.config.onBuild ?? [];
    const { onBuild: _, ...rest } = this.config;
    this.config = rest;
    return triggers;
  }

  /** Applies an instruction that changes only the configuration; undefined for the others. */
  apply(instruction: StageInstruction): ConfigChange | undefined {
    switch (instruction.kind) {
      case "env":
        return this.applyEnv(instruction.pairs);
      case "label":
        return this.applyLabels(this.expandPairs(instruction.pairs));
      case "arg":
        return this.applyArg(instruction.args);
      case "cmd":
      case "entrypoint":
        return this.applyCommand(instruction.kind, instruction.command);
      case "expose":
        return this.applyExpose(instruction.values);
      case "volume": {
        const volumes = instruction.values.map((v) => this.expand(v));
        this.update({ volumes: union(this.config.volumes, volumes) });
        return { comment: `VOLUME ${showGoList(volumes)}` };
      }
      case "shell":
        this.update({ shell: instruction.values });
        return { comment: `SHELL ${showGoList(instruction.values)}` };
      case "user": {
        const user = this.expand(instruction.value);
        this.update({ user });
        return { comment: `USER ${user}` };
      }
      case "stopsignal": {
        const stopSignal = this.expand(instruction.value);
        checkSignal(stopSignal);
        this.update({ stopSignal });
        return { comment: `STOPSIGNAL ${stopSignal}` };
      }
      case "maintainer":
        this.author = instruction.value;
        return { comment: `MAINTAINER ${instruction.value}` };
      case "onbuild":
        this.update({ onBuild: [...(this.config.onBuild ?? []), instruction.trigger] });
        // compat: BuildKit's history has no line for it.
        return { comment: this.dialect === "buildkit" ? undefined : `ONBUILD ${instruction.trigger}` };
      case "healthcheck":
        return this.applyHealthcheck(instruction);
      default:
        return undefined;
    }
  }

  /** Applies WORKDIR and returns the directory, which is not looked for. */
  enterDirectory(instruction: ValueInstruction): string {
    const wanted = this.expand(instruction.value);
    if (wanted === "") throw syntaxError("cannot normalize nothing", instruction.lines);
    const isAbsolute = wanted.startsWith("/");
    const path = cleanPath(isAbsolute ? wanted : `/${this.config.workingDir ?? ""}/${wanted}`);
    // compat: BuildKit keeps an absolute path as it is written.
    const shown = isAbsolute && this.dialect === "buildkit" ? wanted : path;
    this.update({ workingDir: shown });
    return shown;
  }

  private expandPairs(pairs: readonly KeyValue[]): KeyValue[] {
    return pairs.map(({ name, value }) => ({ name: this.expand(name), value: this.expand(value) }));
  }

  private applyEnv(raw: readonly KeyValue[]): ConfigChange {
    const pairs = this.expandPairs(raw);
    const env = [...this.env];
    for (const { name, value } of pairs) {
      this.hiding.delete(name);
      const at = env.findIndex((e) => nameOf(e) === name);
      if (at < 0) env.push(`${name}=${value}`);
      else env[at] = `${name}=${value}`;
    }
    this.update({ env });
    return { comment: ["ENV", ...pairs.map((p) => `${p.name}=${p.value}`)].join(" ") };
  }

  /** Sets labels that are expanded already (those of `--label` are taken as they are). */
  applyLabels(pairs: readonly KeyValue[]): ConfigChange {
    const labels = new Map(Object.entries(this.config.labels ?? {}));
    for (const { name, value } of pairs) labels.set(name, value);
    this.update({ labels: Object.fromEntries(labels) });
    return { comment: ["LABEL", ...pairs.map((p) => `${p.name}=${p.value}`)].join(" ") };
  }

  private applyArg(args: readonly { readonly name: string; readonly value?: string }[]): ConfigChange {
    const expanded = args.map((arg) => ({
      name: this.expand(arg.name),
      value: arg.value === undefined ? undefined : this.expand(arg.value),
    }));
    const isBuildKit = this.dialect === "buildkit";
    for (const { name, value } of expanded)
      this.args.declare(name, value ?? (isBuildKit ? this.args.valueKept(name) : undefined));
    if (isBuildKit) return { comment: `ARG ${expanded.map(({ name }) => this.shownArg(name)).join(" ")}` };
    const words = expanded.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`));
    return { comment: `ARG ${words.join(" ")}` };
  }

  /** BuildKit: the value in force, which also counts where ENV has set the variable before. */
  private shownArg(name: string): string {
    const value = this.args.lookup(name);
    if (value === undefined) return name;
    if (this.env.some((e) => nameOf(e) === name)) this.hiding.set(name, value);
    return `${name}=${value}`;
  }

  private applyCommand(kind: "cmd" | "entrypoint", command: CommandLine): ConfigChange {
    const words = this.commandWords(command);
    if (kind === "cmd") {
      this.update({ cmd: words, ...(this.dialect === "buildkit" ? { argsEscaped: true } : {}) });
      if (words.length > 0) this.isCmdSet = true;
      return { comment: `CMD ${quoteGoList(words)}` };
    }
    if (!this.isCmdSet) {
      const { cmd: _, ...rest } = this.config;
      this.config = rest;
    }
    this.update({ entrypoint: words });
    return { comment: `ENTRYPOINT ${quoteGoList(words)}` };
  }

  private applyExpose(values: readonly string[]): ConfigChange {
    const words = values.flatMap((v) => expandWords(v, (name) => this.lookup(name), { escape: this.escape }));
    const ports = parseExposedPorts(words);
    this.update({ exposedPorts: union(this.config.exposedPorts, ports) });
    if (this.dialect === "classic") return { comment: `EXPOSE ${words.join(" ")}` };
    return { comment: `EXPOSE ${showGoList([...new Set(ports)].sort())}` };
  }

  private applyHealthcheck(h: HealthcheckInstruction): ConfigChange {
    const inherited = this.config.healthcheck;
    const before = inherited?.test ?? [];
    const isOverride = before.length > 0 && before[0] !== "NONE";
    const healthcheck: Healthcheck = {
      test: h.test,
      ...(h.intervalNanos === 0 ? {} : { intervalNanos: h.intervalNanos }),
      ...(h.timeoutNanos === 0 ? {} : { timeoutNanos: h.timeoutNanos }),
      ...(h.startPeriodNanos === 0 ? {} : { startPeriodNanos: h.startPeriodNanos }),
      ...(h.startIntervalNanos === 0 ? {} : { startIntervalNanos: h.startIntervalNanos }),
      ...(h.retries === 0 ? {} : { retries: h.retries }),
    };
    // compat: in the classic builder what an instruction leaves open comes from the one before it.
    this.update({ healthcheck: this.dialect === "classic" ? { ...inherited, ...healthcheck } : healthcheck });
    // compat: the history shows Go's %+v of the struct, in the classic builder of a pointer to it.
    const fields = [
      `Test:${showGoList(h.test)}`,
      `Interval:${formatDuration(h.intervalNanos)}`,
      `Timeout:${formatDuration(h.timeoutNanos)}`,
      `StartPeriod:${formatDuration(h.startPeriodNanos)}`,
      `StartInterval:${formatDuration(h.startIntervalNanos)}`,
      `Retries:${h.retries}`,
    ];
    const comment = `HEALTHCHECK ${this.dialect === "classic" ? "&" : ""}{${fields.join(" ")}}`;
    return isOverride
      ? { comment, notes: [`Note: overriding previous HEALTHCHECK: ${showGoList(before)}`] }
      : { comment };
  }
}
