// Which containers ContainerList shows, and in what order: newest first, `limit` and filters as Docker's.
import type { Filters } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { hasLabel } from "../labels.ts";
import { flagFilter } from "../prune-filter.ts";
import { portsOf } from "./inspect.ts";
import { hasMount } from "./mounts/points.ts";
import { type ContainerRecord, isRunning } from "./record.ts";
import { table } from "../../lib/table.ts";

/** What some filters need to know beyond the record. */
export interface FilterContext {
  find(reference: string): ContainerRecord;
  /** Whether the container's image is the named one or built on it. */
  isDescendant(record: ContainerRecord, imageReference: string): boolean;
}

/** Made once of a value, since it is asked about every container. */
type Test = (value: string) => (record: ContainerRecord, context: FilterContext) => boolean;

/** Filters with a fixed set of values, as Docker's daemon names them in its errors. */
const VALUES: Readonly<Record<string, { readonly of: string; readonly valid: readonly string[] }>> = table({
  status: {
    of: "state",
    valid: ["created", "running", "paused", "restarting", "removing", "exited", "dead"],
  },
  health: { of: "health", valid: ["none", "starting", "healthy", "unhealthy"] },
});

const invalid = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "filter.invalid" });

/** One value of a filter has to fit; of `label` all. */
const TESTS: Readonly<Record<string, Test>> = table({
  id: (v) => (r) => r.id.startsWith(v),
  name: (v) => {
    const matches = matcher(v);
    return (r) => matches(r.name) || matches(`/${r.name}`);
  },
  status: (v) => (r) => r.state.status === v,
  exited: (v) => (r) => hasExited(r) && r.state.exitCode === Number(v),
  label: (v) => (r) => hasLabel(r.config.Labels, v),
  ancestor: (v) => (r, c) => c.isDescendant(r, v),
  network: (v) => (r) =>
    r.endpoints.some((e) => e.networkName === v || (v !== "" && e.networkId.startsWith(v))),
  volume: (v) => (r) => hasMount(r, v),
  health: (v) => (r) => (r.state.health?.status ?? "none") === v,
  // No container is a task of a swarm's.
  "is-task": (v) => () => v === "false" || v === "0",
  // compat: of Windows; it chooses nothing here.
  isolation: () => () => true,
});

/** Filters that say where the list begins and ends, or which are looked at together. */
const OTHERS = ["before", "since", "publish", "expose"];

const hasExited = (r: ContainerRecord): boolean => r.state.status === "exited" || r.state.status === "dead";

function matcher(pattern: string): (text: string) => boolean {
  if (pattern.length > 256)
    return (text) => {
      if (pattern === text) return true;
      throw invalid("filter value is too long");
    };
  const expression = expressionOf(pattern);
  return (text) => pattern === text || expression?.test(text) === true;
}

function expressionOf(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern);
  } catch {
    return undefined; // ignored: compat: what is no regular expression matches only itself
  }
}

/** The ports of a filter: `80`, `80/udp`, `8000-9000/tcp`. */
interface PortRange {
  readonly from: number;
  readonly to: number;
  readonly proto: string;
}

function parsePorts(key: string, value: string): PortRange {
  const m = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(.+))?$/.exec(value);
  const [from, to] = [Number(m?.[1]), Number(m?.[2] ?? m?.[1])];
  if (m === null || from > 65535 || to > 65535 || to < from)
    throw invalid(`error while looking up for ${key} ${value}: invalid port range`);
  return { from, to, proto: m[3] ?? "tcp" };
}

/** compat: a port that fits `publish` or `expose` is enough; a container that does not run has none. */
function portTest(filters: Filters): (record: ContainerRecord) => boolean {
  const ranges = (key: string): PortRange[] => (filters[key] ?? []).map((v) => parsePorts(key, v));
  const [publish, expose] = [ranges("publish"), ranges("expose")];
  if (publish.length + expose.length === 0) return () => true;
  const isIn = (all: readonly PortRange[], port: number | undefined, proto: string): boolean =>
    port !== undefined && all.some((r) => port >= r.from && port <= r.to && r.proto === proto);
  return (record) =>
    portsOf(record).some((p) => isIn(publish, p.PublicPort, p.Type) || isIn(expose, p.PrivatePort, p.Type));
}

function checkFilters(filters: Filters): void {
  for (const key of Object.keys(filters))
    if (!(key in TESTS) && !OTHERS.includes(key)) throw invalid(`invalid filter '${key}'`);
  for (const [key, { of, valid }] of Object.entries(VALUES))
    for (const value of filters[key] ?? [])
      if (!valid.includes(value))
        throw invalid(
          `invalid filter '${key}=${value}': invalid value for ${of} (${value}): must be one of ${valid.join(", ")}`,
        );
  for (const value of filters["exited"] ?? [])
    if (!/^[+-]?\d{1,19}$/.test(value))
      throw invalid(
        `invalid filter 'exited=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
  flagFilter(filters, "is-task", false);
}

/** Returns the records to show, newest first. Fails with invalidParameter on wrong filters, notFound for before and since. */
export function selectContainers(
  newestFirst: readonly ContainerRecord[],
  query: { all: boolean; limit?: number | undefined; filters: Filters },
  context: FilterContext,
): ContainerRecord[] {
  const { filters } = query;
  checkFilters(filters);
  const hasPort = portTest(filters);
  const bounded = between(newestFirst, filters, context);
  const limit = query.limit !== undefined && query.limit > 0 ? query.limit : Number.POSITIVE_INFINITY;
  const showsStopped = query.all || Number.isFinite(limit) || (filters["status"]?.length ?? 0) > 0;
  const tests = Object.entries(filters).flatMap(([key, values]) =>
    key in TESTS && values.length > 0 ? [filterTest(key, values)] : [],
  );
  return bounded
    .filter(
      (r) =>
        (showsStopped || isRunning(r) || r.state.status === "restarting") &&
        tests.every((fits) => fits(r, context)) &&
        hasPort(r),
    )
    .slice(0, limit);
}

function filterTest(key: string, values: readonly string[]): ReturnType<Test> {
  const tests = values.map(TESTS[key] as Test);
  return key === "label"
    ? (record, context) => tests.every((test) => test(record, context))
    : (record, context) => tests.some((test) => test(record, context));
}

function between(
  newestFirst: readonly ContainerRecord[],
  filters: Filters,
  context: FilterContext,
): readonly ContainerRecord[] {
  const [before, since] = [filters["before"]?.at(-1), filters["since"]?.at(-1)];
  const at = (reference: string): number => newestFirst.indexOf(context.find(reference));
  return newestFirst.slice(
    before === undefined ? 0 : at(before) + 1,
    since === undefined ? undefined : at(since),
  );
}
