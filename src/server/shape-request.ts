// Takes out of requests what the client's API version does not know: there such fields are ignored, as moby's routers do. The
// counterpart of shape.ts.
import { isAtLeast } from "../lib/version-order.ts";

type Json = Readonly<Record<string, unknown>>;

/** Fields of request bodies, as paths, with the version that brought them. */
const NEWS: Readonly<Record<string, readonly { since: string; path: readonly [string, string] }[]>> = {
  ContainerCreate: [{ since: "1.44", path: ["Healthcheck", "StartInterval"] }],
};

/** Returns the input of an operation as the version has it; the given one is not changed. */
export function shapeRequest(operation: string, version: string, input: unknown): unknown {
  const unknown = (NEWS[operation] ?? []).filter((field) => !isAtLeast(version, field.since));
  const { body } = input as { body?: Json };
  if (unknown.length === 0 || body === undefined) return input;
  return { ...(input as Json), body: unknown.reduce((b, field) => without(b, field.path), body) };
}

function without(body: Json, [outer, inner]: readonly [string, string]): Json {
  const object = body[outer];
  if (object === null || typeof object !== "object" || !(inner in object)) return body;
  const { [inner]: _, ...rest } = object as Json;
  return { ...body, [outer]: rest };
}
