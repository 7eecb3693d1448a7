// What an operation of the Engine API is: one declaration, from which the server takes its validation, the
// client its types and URL, and the reference pages their text. Declarations (operations/<noun>.ts) are light:
// schemas are reached through thunks with a dynamic import, so that a client never loads them.
// It is not a transport: server/ and client.ts bring declarations to life.
// Invariant: an operation's name, method and path are unique (operations/all.ts, tested).

import type { Input, Output, Schema } from "../lib/schema/schema.ts";

/** Newest and oldest API version spoken, as `major.minor`. */
export const API_VERSION = "1.56";
export const MIN_API_VERSION = "1.24";

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "DELETE";

/**
 * Types of query parameters.
 * - text: absent when missing or empty; texts: every occurrence of a repeated parameter, [] when missing
 * - bool: false for "", "0", "no", "false", "none"; boolTrue: the same, but true when missing
 * - goBool: Go's words for true and false, false when missing or empty, an error otherwise
 * - int: absent when missing or empty, an error when malformed; intOrZero: 0 when missing or malformed
 * - size: like int, required, 0…2³²-1 (terminal sizes)
 * - filters: JSON of a map from name to values, {} when missing
 * - json…: JSON text of that shape, absent when missing or empty
 */
export type QueryKind =
  | "text"
  | "texts"
  | "bool"
  | "boolTrue"
  | "goBool"
  | "int"
  | "intOrZero"
  | "size"
  | "filters"
  | "jsonTextMap"
  | "jsonNullableTextMap"
  | "jsonTexts"
  | "json";

/** Filter name → accepted values, as `filters` carries them; names and values are not yet validated. */
export type Filters = { readonly [name: string]: FilterValues };

export interface FilterValues extends ReadonlyArray<string> {
  /** compat: which were sent as false. They are values all the same, but do not say yes or no. */
  readonly off?: readonly string[];
}

interface QueryTypes {
  text: string | undefined;
  texts: readonly string[];
  bool: boolean;
  boolTrue: boolean;
  goBool: boolean;
  int: number | undefined;
  intOrZero: number;
  size: number;
  filters: Filters;
  jsonTextMap: Readonly<Record<string, string>> | undefined;
  jsonNullableTextMap: Readonly<Record<string, string | null>> | undefined;
  jsonTexts: readonly string[] | undefined;
  json: unknown;
}

/** A query parameter: its kind, its name on the wire, which may differ from the property's, and what its errors begin with. */
export type QuerySpec =
  | QueryKind
  | { readonly kind: QueryKind; readonly wire: string; readonly since?: string; readonly complaint?: string };

/**
 * Types of request headers.
 * - text: absent when missing; auth: base64url JSON of one AuthConfig, absent when missing or malformed
 * - texts: every occurrence of a repeated header, [] when missing
 * - authMap: base64url JSON of registry host → AuthConfig, {} when missing or malformed
 */
export type HeaderKind = "text" | "texts" | "auth" | "authMap";

/** Credentials for one registry, as X-Registry-Auth and POST /auth carry them (wire names are lower case). */
export interface AuthConfig {
  username?: string;
  password?: string;
  /** Base64 of `username:password`. */
  auth?: string;
  email?: string;
  serveraddress?: string;
  /** OAuth2 refresh token. */
  identitytoken?: string;
  /** Bearer token. */
  registrytoken?: string;
}

interface HeaderTypes {
  text: string | undefined;
  texts: readonly string[];
  auth: AuthConfig | undefined;
  authMap: Readonly<Record<string, AuthConfig>>;
}

export interface HeaderSpec {
  readonly kind: HeaderKind;
  /** Header name on the wire. */
  readonly wire: string;
}

/** Loads a schema on demand. */
export type SchemaThunk<S extends Schema = Schema> = () => Promise<S>;

/** What a request body may be. */
export type BodySpec =
  | { readonly kind: "json"; readonly schema: SchemaThunk; readonly required?: boolean }
  | { readonly kind: "bytes"; readonly contentType: string };

/** What a successful response is. */
export type SuccessSpec =
  | {
      readonly kind: "json";
      readonly status: 200 | 201;
      readonly schema: SchemaThunk;
      /**
       * What a client may ask for by `Upgrade`: that what is created begins at once, over this connection, which saves a request (an
       * extension). An engine that does not know it, or may not, answers the value.
       */
      readonly upgrade?: string;
    }
  | { readonly kind: "empty"; readonly status: 200 | 201 | 204 }
  | { readonly kind: "text"; readonly status: 200 }
  /** One JSON value per line, flushed line by line; `exact` names integer fields that are read as bigints. */
  | {
      readonly kind: "lines";
      readonly status: 200;
      readonly schema: SchemaThunk;
      readonly exact?: readonly string[];
    }
  /** Raw bytes (archives). */
  | { readonly kind: "bytes"; readonly status: 200; readonly contentType: string }
  /** Output of a container or service: raw for a tty, 8-byte frames otherwise. */
  | { readonly kind: "output"; readonly status: 200 }
  /** The connection becomes a two-way stream (101, or 200 for clients that do not ask for an upgrade). */
  | {
      readonly kind: "hijack";
      readonly status: 101;
      /** The stream is a websocket's, without frames. */
      readonly isWebsocket?: boolean;
      /** The protocol that the connection goes on with; the raw stream of Docker's when absent. */
      readonly protocol?: string;
      /** compat: errors are plain text. */
      readonly failsAsText?: boolean;
    }
  /** Metadata in a response header only (HEAD …/archive). */
  | { readonly kind: "header"; readonly status: 200; readonly header: string; readonly schema: SchemaThunk };

export interface OperationSpec {
  /** The Engine API's operationId, such as ContainerCreate. */
  readonly name: string;
  readonly method: Method;
  /** Path without version prefix; `{id}` takes one or more segments when followed by a literal or at the end. */
  readonly path: string;
  /** First API version that has the operation; 1.24 when absent. */
  readonly since?: string;
  readonly query?: { readonly [name: string]: QuerySpec };
  readonly headers?: { readonly [name: string]: HeaderSpec };
  readonly body?: BodySpec;
  /** Why a body is refused; an operation without body ignores one otherwise. */
  readonly refusesBody?: string;
  readonly success: SuccessSpec;
  /** Documented error status codes besides 400 and 500. */
  readonly errors?: readonly number[];
}

/** Declares an operation; the literal types are kept. */
export function operation<const O extends OperationSpec>(spec: O): O {
  return spec;
}

type Flat<T> = { [K in keyof T]: T[K] } & {};

type PathNames<P extends string> = P extends `${string}{${infer N}}${infer Rest}`
  ? N | PathNames<Rest>
  : never;
type KindOf<Q> = Q extends QueryKind ? Q : Q extends { readonly kind: infer K extends QueryKind } ? K : never;
type QueryOf<O> = O extends { readonly query: infer Q }
  ? { readonly [K in keyof Q]: QueryTypes[KindOf<Q[K]>] }
  : unknown;
type HeadersOf<O> = O extends { readonly headers: infer H }
  ? {
      readonly [K in keyof H]: H[K] extends { readonly kind: infer K2 extends HeaderKind }
        ? HeaderTypes[K2]
        : never;
    }
  : unknown;
type SchemaOf<T> = T extends { readonly schema: () => Promise<infer S> } ? S : never;

/** The JSON body an operation takes (undefined when it takes none); an optional body may be absent. */
export type BodyOf<O> = O extends { readonly body: infer B extends { readonly kind: "json" } }
  ? B extends { readonly required: true }
    ? Input<SchemaOf<B>>
    : Input<SchemaOf<B>> | undefined
  : undefined;

type JsonBodyPart<O> = O extends { readonly body: { readonly kind: "json" } }
  ? { readonly body: BodyOf<O> }
  : unknown;

/** What the server hands to a handler: path, query and header parameters and the JSON body, in one object. */
export type InputOf<O extends OperationSpec> = Flat<
  { readonly [K in PathNames<O["path"]>]: string } & QueryOf<O> & HeadersOf<O> & JsonBodyPart<O>
>;

type Loose<T> = T extends readonly string[] ? readonly string[] : T;

/** What a client passes to a call: as InputOf, but every query parameter, header and optional body may be left out. */
export type ArgumentsOf<O extends OperationSpec> = Flat<
  { readonly [K in PathNames<O["path"]>]: string } & {
    readonly [K in keyof QueryOf<O>]?: Loose<QueryOf<O>[K]> | undefined;
  } & { readonly [K in keyof HeadersOf<O>]?: HeadersOf<O>[K] | undefined } & (O extends {
      readonly body: { readonly kind: "json"; readonly required: true };
    }
      ? { readonly body: BodyOf<O> }
      : O extends { readonly body: { readonly kind: "json" } }
        ? { readonly body?: BodyOf<O> }
        : unknown)
>;

/** What a successful call returns: the decoded JSON value, one line of a stream, or undefined. */
export type ResultOf<O extends OperationSpec> = O["success"] extends { readonly schema: SchemaThunk }
  ? Output<SchemaOf<O["success"]>>
  : O["success"] extends { readonly kind: "text" }
    ? string
    : undefined;

/** Returns a required JSON request body. */
export function jsonBody<S extends Schema>(schema: SchemaThunk<S>) {
  return { kind: "json", schema, required: true } as const;
}

/** Returns a JSON request body that may be left out. */
export function optionalJsonBody<S extends Schema>(schema: SchemaThunk<S>) {
  return { kind: "json", schema, required: false } as const;
}

/** Returns a request body that is a stream of bytes. */
export function bytesBody(contentType = "application/x-tar") {
  return { kind: "bytes", contentType } as const;
}

export function json<S extends Schema>(schema: SchemaThunk<S>) {
  return { kind: "json", status: 200, schema } as const;
}

export function created<S extends Schema>(schema: SchemaThunk<S>) {
  return { kind: "json", status: 201, schema } as const;
}

export function lines<S extends Schema>(schema: SchemaThunk<S>) {
  return { kind: "lines", status: 200, schema } as const;
}

export function bytes(contentType = "application/x-tar") {
  return { kind: "bytes", status: 200, contentType } as const;
}

export function empty<const C extends 200 | 201 | 204>(status: C) {
  return { kind: "empty", status } as const;
}

export const OUTPUT = { kind: "output", status: 200 } as const;
export const HIJACK = { kind: "hijack", status: 101 } as const;
