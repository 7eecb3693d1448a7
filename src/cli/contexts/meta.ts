// meta.json of a context: its three members checked on reading, and written as Docker writes them.

import { Fault } from "../../lib/errors.ts";
import { goJson, withSortedMembers } from "../../lib/json/go-json.ts";
import { parseJson } from "../../lib/json/parse.ts";

/** How the daemon is reached. Docker knows no further members and drops them. */
export interface DockerEndpoint {
  readonly Host?: string;
  readonly SkipTLSVerify: boolean;
}

export interface ContextMeta {
  readonly Name: string;
  /** The description, and what other programs keep with it. */
  readonly Metadata: { readonly Description?: string } & Readonly<Record<string, unknown>>;
  readonly Endpoints: { readonly docker?: DockerEndpoint } & Readonly<Record<string, unknown>>;
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/;

/** Throws a Fault with Docker's text for a name that a context cannot have. */
export function checkContextName(name: string): void {
  if (name === "") throw malformed("context name cannot be empty");
  if (name === "default") throw malformed('"default" is a reserved context name');
  if (!NAME.test(name)) {
    throw malformed(
      `context name ${JSON.stringify(name)} is invalid, names are validated against regexp "${NAME.source}"`,
    );
  }
}

/** Returns the context in `text`; `name` where it does not say its own. Throws a Fault that says what is wrong. */
export function parseMeta(text: string, name: string): ContextMeta {
  const { Name, Metadata, Endpoints } = membersOf(parseJson(text), "the context");
  const metadata = membersOf(Metadata ?? {}, "Metadata");
  if (!["string", "undefined"].includes(typeof metadata["Description"]))
    throw malformed("Metadata.Description is not a string");
  const endpoints = Object.entries(membersOf(Endpoints ?? {}, "Endpoints")).map(([key, endpoint]) => {
    const members = membersOf(endpoint ?? {}, `Endpoints.${key}`);
    return [key, key === "docker" ? dockerEndpoint(members) : members] as const;
  });
  return {
    Name: typeof Name === "string" && Name !== "" ? Name : name,
    Metadata: metadata,
    Endpoints: Object.fromEntries(endpoints),
  };
}

function dockerEndpoint({ Host = "", SkipTLSVerify = false }: Readonly<Record<string, unknown>>) {
  if (typeof Host !== "string") throw malformed("Endpoints.docker.Host is not a string");
  if (typeof SkipTLSVerify !== "boolean")
    throw malformed("Endpoints.docker.SkipTLSVerify is not true or false");
  return { ...(Host === "" ? {} : { Host }), SkipTLSVerify };
}

function membersOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw malformed(`${what} is not a JSON object`);
  return value as Record<string, unknown>;
}

/** Returns the text of meta.json. */
export function formatMeta({ Name, Metadata, Endpoints }: ContextMeta): string {
  const hasEndpoints = Object.keys(Endpoints).length > 0;
  const metadata = withSortedMembers(Metadata);
  return goJson({
    Name,
    Metadata: metadata,
    ...(hasEndpoints ? { Endpoints: withSortedMembers(Endpoints) } : {}),
  });
}

function malformed(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "context.malformed" });
}
