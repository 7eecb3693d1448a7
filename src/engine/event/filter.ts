// The filters of SystemEvents, as Docker's daemon applies them: all names have to fit; of the values of a name any, of
// `label` every one. Objects are named by their id or name, or by how these begin.
import type { Filters } from "../../api/contract.ts";
import { familiarName, parseReference } from "../../oci/reference.ts";
import { hasLabel } from "../labels.ts";
import type { EngineEvent } from "./event.ts";
import { table } from "../../lib/table.ts";

type Test = (event: EngineEvent, values: readonly string[]) => boolean;

/** compat: one of these among the values of `event` makes all of them fit by how the action begins. */
const WITH_DETAIL = ["health_status", "exec_create", "exec_start"];

/** compat: whatever the event's type: `container=web` also finds the network "web-net". */
const isNamed: Test = (e, values) =>
  values.some((v) => e.actorId.startsWith(v) || (e.attributes["name"] ?? "").startsWith(v));

const TESTS: Readonly<Record<string, Test>> = table({
  event: (e, values) =>
    values.some((v) => WITH_DETAIL.includes(v))
      ? values.some((v) => e.action.startsWith(v))
      : values.includes(e.action),
  type: (e, values) => values.includes(e.type),
  label: (e, values) => values.every((v) => hasLabel(e.attributes, v)),
  scope: (_e, values) => values.includes("local"),
  image: (e, values) => imageNames(e).some((name) => values.includes(name)),
  container: isNamed,
  daemon: isNamed,
  network: isNamed,
  plugin: isNamed,
  volume: isNamed,
  // compat: names of a swarm's objects, of which there are none.
  config: isNamed,
  node: isNamed,
  secret: isNamed,
  service: isNamed,
});

/** What an event's image is called: by id and name, each with and without the tag. */
function imageNames(e: EngineEvent): string[] {
  const name = e.attributes[e.type === "image" ? "name" : "image"] ?? "";
  return [e.actorId, name, withoutTag(e.actorId), withoutTag(name)];
}

function withoutTag(image: string): string {
  try {
    return familiarName(parseReference(image));
  } catch {
    return image; // ignored: what is no reference has no tag
  }
}

/** Returns the test that events have to pass. compat: filters that Docker does not know choose nothing. */
export function eventMatcher(filters: Filters): (event: EngineEvent) => boolean {
  const tests = Object.entries(filters).flatMap(([key, values]) => {
    const test = TESTS[key];
    if (test === undefined || values.length === 0) return [];
    return [(e: EngineEvent): boolean => test(e, values)];
  });
  return (e) => tests.every((test) => test(e));
}
