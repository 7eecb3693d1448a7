// Build arguments: which `ARG`s are visible where, and with what value. A stage sees what it declares itself; a declaration
// without a value takes the one from before the first FROM; `--build-arg` beats both. Proxy variables need no
// declaration and never show up in the history.

import { PREDEFINED_ARGS } from "../dockerfile/predefined-args.ts";
import { formatPlatform, type Platform } from "../../oci/platform.ts";

/** Returns TARGETPLATFORM, BUILDARCH and so on, which a stage may declare without a value. */
export function platformArgs(target: Platform, build: Platform): Map<string, string> {
  const args = new Map<string, string>();
  for (const [prefix, platform] of [
    ["TARGET", target],
    ["BUILD", build],
  ] as const) {
    args.set(`${prefix}PLATFORM`, formatPlatform(platform));
    args.set(`${prefix}OS`, platform.os);
    args.set(`${prefix}OSVERSION`, platform.osVersion ?? "");
    args.set(`${prefix}ARCH`, platform.architecture);
    args.set(`${prefix}VARIANT`, platform.variant ?? "");
  }
  return args;
}

/** The arguments of one build, or of one of its stages. */
export class BuildArgs {
  private readonly given: Readonly<Record<string, string | null>>;
  /** Declared before the first FROM, with the platform's own. */
  private readonly meta: Map<string, string | undefined>;
  private readonly declared = new Map<string, string | undefined>();
  /** Names that were declared anywhere, shared by all stages. */
  private readonly seen: Set<string>;

  constructor(
    given: Readonly<Record<string, string | null>>,
    meta: ReadonlyMap<string, string | undefined>,
    seen: Set<string> = new Set(),
  ) {
    this.given = given;
    this.meta = new Map(meta);
    this.seen = seen;
  }

  /** Returns the arguments as a new stage finds them: nothing declared yet but what it inherits from the stage that it is built on. */
  forStage(inherited?: BuildArgs): BuildArgs {
    const args = new BuildArgs(this.given, this.meta, this.seen);
    for (const [name, value] of inherited?.declared ?? []) args.declared.set(name, value);
    return args;
  }

  /** Returns the value that a declaration without one leaves in force where the arguments are inherited. */
  valueKept(name: string): string | undefined {
    return this.meta.has(name) ? undefined : this.declared.get(name);
  }

  /** Declares an argument of this stage. */
  declare(name: string, defaultValue: string | undefined): void {
    this.declared.set(name, defaultValue);
    this.seen.add(name);
  }

  /** Notes that a stage which is not built would declare it, so that it does not count as unused. */
  noteDeclared(name: string): void {
    this.seen.add(name);
  }

  /** Declares an argument before the first FROM. */
  declareMeta(name: string, defaultValue: string | undefined): void {
    this.meta.set(name, defaultValue);
    this.declare(name, defaultValue);
  }

  private valueOf(name: string, scope: ReadonlyMap<string, string | undefined>): string | undefined {
    const given = Object.hasOwn(this.given, name) ? this.given[name] : undefined;
    return given ?? scope.get(name) ?? this.meta.get(name);
  }

  /** Looks up what FROM may refer to. */
  lookupMeta(name: string): string | undefined {
    return this.meta.has(name) || PREDEFINED_ARGS.has(name) ? this.valueOf(name, this.meta) : undefined;
  }

  /** Looks up what an instruction of the stage may refer to. */
  lookup(name: string): string | undefined {
    return this.declared.has(name) || PREDEFINED_ARGS.has(name)
      ? this.valueOf(name, this.declared)
      : undefined;
  }

  /** Returns `name=value` of every visible argument that `env` does not set, for the environment of RUN. */
  environment(env: readonly string[]): string[] {
    const taken = new Set(env.map((entry) => entry.split("=", 1)[0]));
    const names = new Set([...this.declared.keys(), ...PREDEFINED_ARGS]);
    const result: string[] = [];
    for (const name of names) {
      const value = this.lookup(name);
      if (value !== undefined && !taken.has(name)) result.push(`${name}=${value}`);
    }
    return result;
  }

  /** Returns the names that the stage has declared, in that order. */
  declaredNames(): string[] {
    return [...this.declared.keys()];
  }

  /** Whether an argument shows in the history: not so an undeclared proxy variable. */
  isRecorded(name: string): boolean {
    return this.declared.has(name) || !PREDEFINED_ARGS.has(name);
  }

  /** Names given by the user that no ARG declared, sorted. */
  unused(): string[] {
    return Object.keys(this.given)
      .filter((name) => !this.seen.has(name) && !PREDEFINED_ARGS.has(name) && name !== "SOURCE_DATE_EPOCH")
      .sort();
  }
}
