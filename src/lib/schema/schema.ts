// Describes JSON values as Go's encoding/json sees them: structs with named fields, slices, maps, pointers.
// One declaration gives the TypeScript types (Output: what a server sends; Input: what a client may send),
// the decoder (decode.ts) and the reference pages. Schemas are plain frozen data, built once at import.
// It is not a constraint language: ranges, enumerations and cross-field rules belong to whoever uses the value.
// Own code instead of valibot: every rule that is needed here (Go's key matching, null, error text, bounds)
// would replace valibot's, so that only its object tree would remain, for +1.2 ms of start-up.

/** A string, boolean or number; `go` is the Go type's name, which appears in decode errors. */
export interface Scalar<T> {
  readonly kind: "string" | "bool" | "int" | "float";
  readonly go: string;
  /** Smallest and largest integer, for kind "int". */
  readonly min?: number;
  readonly max?: number;
  /** Never present at run time: carries the TypeScript type. */
  readonly type?: T;
}

/** Any JSON value, passed through unread (json.RawMessage, interface{}). */
export interface AnyValue<T> {
  readonly kind: "any";
  readonly type?: T;
}

/** A slice. `orSingle` also accepts a lone item in place of the list (moby's strslice.StrSlice). */
export interface List<I extends Schema> {
  readonly kind: "list";
  readonly item: I;
  readonly orSingle?: boolean;
}

/** A map with string keys. */
export interface MapOf<V extends Schema> {
  readonly kind: "map";
  readonly value: V;
}

/** A Go pointer, or a slice or map that is sent as null when nil: null is a value of its own. */
export interface Nullable<S extends Schema> {
  readonly kind: "nullable";
  readonly of: S;
}

/** A field with `omitempty`: the server may leave it out. */
export interface Optional<S extends Schema> {
  readonly kind: "optional";
  readonly of: S;
}

/** A struct: `name` is the Go type with its package (`container.HostConfig`), which appears in decode errors. */
export interface Struct<F extends Fields> {
  readonly kind: "struct";
  readonly name: string;
  readonly fields: F;
}

export type Fields = { readonly [wireName: string]: Schema };

// `any`, because the union has to admit every instantiation.
export type Schema =
  | Scalar<any>
  | AnyValue<any>
  | ListLike
  | MapLike
  | NullableLike
  | OptionalLike
  | StructLike;
// Interfaces break the recursion of the union for the compiler.
interface ListLike extends List<Schema> {}
interface MapLike extends MapOf<Schema> {}
interface NullableLike extends Nullable<Schema> {}
interface OptionalLike extends Optional<Schema> {}
interface StructLike extends Struct<Fields> {}

type OptionalKeys<F> = { [K in keyof F]: F[K] extends { readonly kind: "optional" } ? K : never }[keyof F];
type Flat<T> = { [K in keyof T]: T[K] } & {};

/** The value a server sends: every field present unless it is optional; null only where nullable. */
export type Output<S> =
  S extends Scalar<infer T>
    ? T
    : S extends AnyValue<infer T>
      ? T
      : S extends List<infer I>
        ? Output<I>[]
        : S extends MapOf<infer V>
          ? { [key: string]: Output<V> }
          : S extends Nullable<infer I>
            ? Output<I> | null
            : S extends Optional<infer I>
              ? Output<I>
              : S extends Struct<infer F>
                ? Flat<
                    { -readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Output<F[K]> } & {
                      -readonly [K in OptionalKeys<F>]?: Output<F[K]> | undefined;
                    }
                  >
                : never;

/** The value a client may send: every field of every struct may be missing, undefined or null. */
export type Input<S> =
  S extends Scalar<infer T>
    ? T
    : S extends AnyValue<infer T>
      ? T
      : S extends List<infer I>
        ? Input<I>[]
        : S extends MapOf<infer V>
          ? { [key: string]: Input<V> }
          : S extends Nullable<infer I>
            ? Input<I> | null
            : S extends Optional<infer I>
              ? Input<I>
              : S extends Struct<infer F>
                ? { -readonly [K in keyof F]?: Input<F[K]> | null | undefined }
                : never;

function scalar<T>(kind: Scalar<T>["kind"], go: string): Scalar<T> {
  return { kind, go };
}

function integer(go: string, min: number, max: number): Scalar<number> {
  return { kind: "int", go, min, max };
}

export const text: Scalar<string> = scalar("string", "string");
export const bool: Scalar<boolean> = scalar("bool", "bool");
export const float64: Scalar<number> = scalar("float", "float64");
export const int: Scalar<number> = integer("int", -(2 ** 63), 2 ** 63);
export const int64: Scalar<number> = integer("int64", -(2 ** 63), 2 ** 63);
/** An int64 that really reaches beyond 2^53 (nanosecond times): a bigint where a number would lose digits. */
export const exactInt64: Scalar<number | bigint> = integer("int64", -(2 ** 63), 2 ** 63) as Scalar<
  number | bigint
>;
export const uint64: Scalar<number> = integer("uint64", 0, 2 ** 64);
/** A uint64 that really reaches beyond 2^53 (numbers of IPv6 addresses). */
export const exactUint64: Scalar<number | bigint> = integer("uint64", 0, 2 ** 64) as Scalar<number | bigint>;
export const uint32: Scalar<number> = integer("uint32", 0, 2 ** 32 - 1);
export const uint16: Scalar<number> = integer("uint16", 0, 2 ** 16 - 1);
export const uint: Scalar<number> = integer("uint", 0, 2 ** 64);
export const uint8: Scalar<number> = integer("uint8", 0, 2 ** 8 - 1);

/** An RFC 3339 time with up to nanoseconds, as text. */
export const time: Scalar<string> = scalar("string", "time.Time");

/** Any JSON value. */
export const anyValue: AnyValue<unknown> = { kind: "any" };

/** Go's `struct{}` as a map's value: an empty object. */
export const emptyStruct: Struct<Record<never, never>> = { kind: "struct", name: "", fields: {} };

/** Returns a string of a named Go type; the words are for types and reference pages, the decoder accepts any. */
export function word<const W extends readonly string[]>(go: string, ..._words: W): Scalar<W[number]> {
  return scalar("string", go);
}

/** Returns a string of a named Go type, such as container.NetworkMode. */
export function textOf(go: string): Scalar<string> {
  return scalar("string", go);
}

export function list<I extends Schema>(item: I): List<I> {
  return { kind: "list", item };
}

/** Returns a list of strings that may also be given as one string (`"Cmd": "top"`). */
export function listOrSingle<I extends Schema>(item: I): List<I> {
  return { kind: "list", item, orSingle: true };
}

export function map<V extends Schema>(value: V): MapOf<V> {
  return { kind: "map", value };
}

export function nullable<S extends Schema>(of: S): Nullable<S> {
  return { kind: "nullable", of };
}

export function optional<S extends Schema>(of: S): Optional<S> {
  return { kind: "optional", of };
}

export function struct<const F extends Fields>(name: string, fields: F): Struct<F> {
  return { kind: "struct", name, fields };
}

/** Returns the schema below nullable and optional wrappers. */
export function bare(schema: Schema): Exclude<Schema, NullableLike | OptionalLike> {
  let s = schema;
  while (s.kind === "nullable" || s.kind === "optional") s = s.of;
  return s;
}
