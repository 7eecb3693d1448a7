// Which variables a stage's instructions may refer to, for `--check`: those of the image it starts from, of earlier stages, and what
// ARG and ENV have set so far. Where the image is not known, nothing can be said.

import { expandWord } from "./expand.ts";
import type { FromInstruction, Instruction } from "./instructions.ts";
import { PREDEFINED_ARGS } from "./predefined-args.ts";

/** Names of the variables that an image sets; undefined where the image is not known. */
export type ImageVariables = (reference: string) => readonly string[] | undefined;

/** `${name:-word}` and its like say themselves what happens without a value. */
const HAS_DEFAULT = /\$\{(\w+):?[-+?]/g;

interface Scope {
  /** Undefined: of an image that is not known. */
  readonly names: Set<string> | undefined;
}

/** Returns the words of an instruction in which variables are replaced. */
function wordsOf(i: Instruction): readonly string[] {
  switch (i.kind) {
    case "env":
    case "label":
      return i.pairs.flatMap(({ name, value }) => [name, value]);
    case "arg":
      return i.args.flatMap(({ value }) => (value === undefined ? [] : [value]));
    case "copy":
    case "add":
      return [...i.sources, i.destination, i.chown, i.chmod];
    case "expose":
    case "volume":
      return i.values;
    case "workdir":
    case "user":
    case "stopsignal":
      return [i.value];
    default:
      return [];
  }
}

/** Returns the names without a value that `word` refers to. */
function unsetIn(word: string, isSet: (name: string) => boolean, escape: string): string[] {
  const unset = new Set<string>();
  const lookup = (name: string): string => {
    if (!isSet(name)) unset.add(name);
    return "x";
  };
  try {
    expandWord(word, lookup, { escape });
  } catch {
    return []; // ignored: the build reports it with its place
  }
  for (const [, name = ""] of word.matchAll(HAS_DEFAULT)) unset.delete(name);
  return [...unset];
}

export class VariableScopes {
  private readonly imageVariables: ImageVariables;
  private readonly escape: string;
  private readonly stages = new Map<string, Scope>();
  private current: Scope = { names: new Set() };

  constructor(imageVariables: ImageVariables, escape: string) {
    this.imageVariables = imageVariables;
    this.escape = escape;
  }

  /** A new stage begins. */
  enter({ base, name }: FromInstruction, number: number): void {
    const earlier = this.stages.get(base.toLowerCase());
    const image = base === "scratch" ? [] : earlier === undefined ? this.imageVariables(base) : undefined;
    const names = earlier?.names ?? image;
    this.current = { names: names === undefined ? undefined : new Set([...names, "PATH"]) };
    for (const key of [name, String(number)]) if (key !== "") this.stages.set(key, this.current);
  }

  /** Returns the names that an instruction refers to and nothing has set, and the names it could have meant. */
  undefinedIn(i: Instruction): { unset: readonly string[]; known: readonly string[] } {
    const { names } = this.current;
    if (names === undefined) return { unset: [], known: [] };
    const isSet = (name: string): boolean => names.has(name) || PREDEFINED_ARGS.has(name);
    const unset = new Set(wordsOf(i).flatMap((word) => unsetIn(word, isSet, this.escape)));
    return { unset: [...unset], known: [...names] };
  }

  /** Takes what an instruction sets. */
  learn(i: Instruction): void {
    if (i.kind === "env") for (const { name } of i.pairs) this.current.names?.add(name);
    if (i.kind === "arg") for (const { name } of i.args) this.current.names?.add(name);
  }
}
