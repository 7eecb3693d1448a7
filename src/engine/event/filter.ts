// The filters of SystemEvents: within one name any value fits, all names have to.
import type { Filters } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { hasLabel } from "../labels.ts";
import type { EngineEvent } from "./bus.ts";

/** An actor is named by id, by a prefix of it, or by name. */
function isActor(e: EngineEvent, type: EngineEvent["type"], value: string): boolean {
  return e.type === type && (e.actorId.startsWith(value) || e.attributes["name"] === value);
}

const TESTS: Readonly<Record<string, (e: EngineEvent, value: string) => boolean>> = {
  // compat: `exec_start` also finds "exec_start: sh -c …".
  event: (e, v) => e.action === v || e.action.startsWith(`${v}:`),
  type: (e, v) => e.type === v,
  container: (e, v) =>
    isActor(e, "container", v) ||
    (e.type !== "container" && e.attributes["container"]?.startsWith(v) === true),
  image: (e, v) =>
    isActor(e, "image", v) || e.attributes["image"] === v || e.attributes["image"]?.split(":")[0] === v,
  network: (e, v) => isActor(e, "network", v),
  volume: (e, v) => isActor(e, "volume", v),
  daemon: (e, v) => isActor(e, "daemon", v),
  plugin: (e, v) => isActor(e, "plugin", v),
  label: (e, v) => hasLabel(e.attributes, v),
  scope: (_e, v) => v === "local",
};

/** Returns the test that events have to pass; fails with invalidParameter on unknown filters. */
export function eventMatcher(filters: Filters): (event: EngineEvent) => boolean {
  const tests = Object.entries(filters).map(([key, values]) => {
    const test = TESTS[key];
    if (test === undefined)
      throw new Fault("invalidParameter", `invalid filter '${key}'`, { code: "filter.unknown" });
    return (e: EngineEvent): boolean => values.length === 0 || values.some((v) => test(e, v));
  });
  return (e) => tests.every((test) => test(e));
}
