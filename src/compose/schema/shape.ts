// What an attribute of a Compose file may be. One declaration says everything that is known of it: its type, its short
// forms, how files are merged, what makes the members of a list the same, and how it is printed. The tables of
// attributes (service.ts, build.ts, …) are made of these; read.ts, load/merge.ts and model/render.ts interpret them.
//
// The order of an object's fields is the order in which Docker Compose prints them: the configuration hash depends on it.

import type { MapNode, Node, ScalarNode } from "../tree/node.ts";

/** How the path in a text is made absolute: by its file's project directory, if at all. */
export type PathRule = "path" | "context" | "host" | "resolved";

interface Traits {
  /** Go's type is a pointer: a zero is printed, only what is absent is not. */
  readonly isPointer?: boolean;
  /** Empty in JSON where it is absent (a structure of Go's that is no pointer). */
  readonly isEmbedded?: boolean;
  /** `null` in JSON where it is absent. */
  readonly isNullInJson?: boolean;
  /** compat: Docker Compose takes it and does not know it afterwards. */
  readonly isUnprinted?: boolean;
}

export interface TextShape extends Traits {
  readonly kind: "text";
  /** Numbers and booleans are taken as their text. */
  readonly accepts: "text" | "number" | "any";
  readonly path?: PathRule;
  readonly words?: readonly string[];
  readonly pattern?: RegExp;
  /** What is wanted, when the pattern does not match. */
  readonly wanted?: string;
}

/** Numbers of several kinds, all kept as JavaScript numbers: counts, ratios, bytes, nanoseconds, file modes. */
export interface NumberShape extends Traits {
  readonly kind: "int" | "float" | "bytes" | "duration" | "mode" | "count";
  readonly min?: number;
  readonly max?: number;
}

export interface BoolShape extends Traits {
  readonly kind: "bool";
  /** True when absent, and then not printed. */
  readonly isOptOut?: boolean;
}

/** A command line: a text that is split as a shell does, or a list. */
export interface CommandShape extends Traits {
  readonly kind: "command";
  /** A text is no command line but one shell script. */
  readonly isScript?: boolean;
}

/** `KEY=value` items or a mapping. */
export interface PairsShape extends Traits {
  readonly kind: "pairs";
  /** null: a variable whose value comes from elsewhere. */
  readonly hasNulls: boolean;
  readonly path?: PathRule;
  /** Printed as a list. */
  readonly isListed?: boolean;
  /** A mapping only, no list. */
  readonly isMappingOnly?: boolean;
}

/** `host=address` items or a mapping; a host may have several. */
export interface HostsShape extends Traits {
  readonly kind: "hosts";
}

export interface ListShape extends Traits {
  readonly kind: "list";
  readonly item: Shape;
  /** A single item may stand for the list. */
  readonly acceptsSingle?: boolean;
  /** Items with the same key are one: the later one holds. */
  readonly keyOf?: (item: Node) => string | undefined;
  /** The same item twice is an error. */
  readonly isSet?: boolean;
  /** What earlier files said is replaced, not added to. */
  readonly isReplaced?: boolean;
  /** Items with the same key are merged (only in a later file). */
  readonly mergesItems?: boolean;
  /** Turns one item into several. */
  readonly expand?: (item: ScalarNode) => readonly Node[];
}

export interface MapShape extends Traits {
  readonly kind: "map";
  readonly value: Shape;
  readonly names: RegExp;
  /** A value may be absent (`default:`). */
  readonly isNullable?: boolean;
  /** A list of names may stand for the mapping; each gets this value. */
  readonly fromName?: (name: ScalarNode) => Node;
}

export interface ObjectShape extends Traits {
  readonly kind: "object";
  readonly fields: Readonly<Record<string, Shape>>;
  /** Reads the short form. Throws a Fault with the reason when it is malformed. */
  readonly short?: (text: ScalarNode) => MapNode;
  readonly required?: readonly string[];
  /** Brings what is written into the form that is read: old ways to write it, defaults. */
  readonly prepare?: (node: MapNode) => MapNode;
  /** Makes paths absolute whose meaning depends on other fields. */
  readonly finish?: (node: MapNode, resolve: (rule: PathRule, path: string) => string) => MapNode;
  /** Looks at the whole, after merging; returns what is wrong with it. */
  readonly check?: (node: MapNode) => { readonly field?: string; readonly message: string } | undefined;
  readonly isNullable?: boolean;
  /** compat: Go prints its members with capital letters in JSON, and leaves none out. */
  readonly isUntagged?: boolean;
  /** Fields go their own ways in merging when this differs: logging.driver. */
  readonly mergesWhenSame?: string;
}

/** Either of two shapes, by what is written: a limit as one number or as an object. */
export interface EitherShape extends Traits {
  readonly kind: "either";
  readonly scalar: Shape;
  readonly object: ObjectShape;
}

/** Anything, as it is: extensions, options of drivers. */
export interface AnyShape extends Traits {
  readonly kind: "any";
}

export type Shape =
  | TextShape
  | NumberShape
  | BoolShape
  | CommandShape
  | PairsShape
  | HostsShape
  | ListShape
  | MapShape
  | ObjectShape
  | EitherShape
  | AnyShape;

/** The value that a shape's canonical form has. */
export type ModelOf<S> = S extends { readonly kind: "text" }
  ? string
  : S extends { readonly kind: "int" | "float" | "bytes" | "duration" | "mode" | "count" }
    ? number
    : S extends { readonly kind: "bool" }
      ? boolean
      : S extends { readonly kind: "command" }
        ? readonly string[]
        : S extends { readonly kind: "pairs"; readonly hasNulls: infer N }
          ? Readonly<Record<string, N extends true ? string | null : string>>
          : S extends { readonly kind: "hosts" }
            ? Readonly<Record<string, readonly string[]>>
            : S extends { readonly kind: "list"; readonly item: infer I }
              ? readonly ModelOf<I>[]
              : S extends { readonly kind: "map"; readonly value: infer V; readonly isNullable: true }
                ? Readonly<Record<string, ModelOf<V> | null>>
                : S extends { readonly kind: "map"; readonly value: infer V }
                  ? Readonly<Record<string, ModelOf<V>>>
                  : S extends { readonly kind: "object"; readonly fields: infer F }
                    ? { readonly [K in keyof F]?: ModelOf<F[K]> }
                    : S extends {
                          readonly kind: "either";
                          readonly scalar: infer A;
                          readonly object: infer B;
                        }
                      ? ModelOf<A> | ModelOf<B>
                      : unknown;

type Without<T> = Omit<T, "kind" | "accepts">;

export const text = (traits: Without<TextShape> = {}) =>
  ({ kind: "text", accepts: "text", ...traits }) as const;
/** Text that may be written as a number. */
export const numeric = (traits: Without<TextShape> = {}) =>
  ({ kind: "text", accepts: "number", ...traits }) as const;
/** Text that may be written as a number or a boolean. */
export const anyText = (traits: Without<TextShape> = {}) =>
  ({ kind: "text", accepts: "any", ...traits }) as const;
export const word = (...words: string[]) => ({ kind: "text", accepts: "text", words }) as const;
export const bool = (traits: Without<BoolShape> = {}) => ({ kind: "bool", ...traits }) as const;
export const int = (traits: Without<NumberShape> = {}) => ({ kind: "int", ...traits }) as const;
export const float = (traits: Without<NumberShape> = {}) => ({ kind: "float", ...traits }) as const;
export const bytes = (traits: Without<NumberShape> = {}) => ({ kind: "bytes", ...traits }) as const;
/** Nanoseconds. */
export const duration = (traits: Without<NumberShape> = {}) => ({ kind: "duration", ...traits }) as const;
export const mode = () => ({ kind: "mode", isPointer: true }) as const;
/** A number of devices; -1 is all. */
export const count = () => ({ kind: "count" }) as const;
export const command = (traits: Without<CommandShape> = {}) => ({ kind: "command", ...traits }) as const;
export const pairs = (traits: Omit<PairsShape, "kind" | "hasNulls"> = {}) =>
  ({ kind: "pairs", hasNulls: false, ...traits }) as const;
export const nullablePairs = (traits: Omit<PairsShape, "kind" | "hasNulls"> = {}) =>
  ({ kind: "pairs", hasNulls: true, ...traits }) as const;
export const hosts = () => ({ kind: "hosts" }) as const;
export const any = () => ({ kind: "any" }) as const;

export const list = <const I extends Shape>(item: I, traits: Omit<ListShape, "kind" | "item"> = {}) =>
  ({ kind: "list", item, ...traits }) as const;
export const map = <
  const V extends Shape,
  const T extends Omit<MapShape, "kind" | "value" | "names"> & { readonly names?: RegExp } = object,
>(
  value: V,
  traits: T = {} as T,
) => ({ kind: "map", value, names: NAME, ...traits }) as const;
export const object = <const F extends Readonly<Record<string, Shape>>>(
  fields: F,
  traits: Omit<ObjectShape, "kind" | "fields"> = {},
) => ({ kind: "object", fields, ...traits }) as const;
export const either = <const A extends Shape, const B extends ObjectShape>(scalar: A, long: B) =>
  ({ kind: "either", scalar, object: long }) as const;

/** What services, networks, volumes, … may be called. */
export const NAME = /^[a-zA-Z0-9._-]+$/;
