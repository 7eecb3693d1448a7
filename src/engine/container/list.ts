// Which containers ContainerList shows, and in what order: newest first, `limit` and filters as Docker's.
import type { Filters } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { hasLabel } from "../labels.ts";
import { parsePortKey } from "./ports.ts";
import { type ContainerRecord, isRunning } from "./record.ts";

/** What some filters need to know beyond the record. */
export interface FilterContext {
  find(reference: string): ContainerRecord;
  /** Whether the container's image is the named one or built on it. */
  isDescendant(record: ContainerRecord, imageReference: string): boolean;
}

type Test = (record: ContainerRecord, value: string, context: FilterContext) => boolean;

const STATUSES = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

const invalid = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "filter.invalid" });

/** One value of a filter has to fit; of `label` all. */
const TESTS: Readonly<Record<string, Test>> = {
  id: (r, v) => r.id.startsWith(v) || matches(v, r.id),
  name: (r, v) =>
    matches(
      v.replace(/^\^?\//, (m) => m.replace("/", "")),
      r.name,
    ) || matches(v, `/${r.name}`),
  status: (r, v) => r.state.status === v,
  exited: (r, v) => r.state.status === "exited" && r.state.exitCode === Number(v),
  label: (r, v) => hasLabel(r.config.Labels, v),
  ancestor: (r, v, c) => c.isDescendant(r, v),
  network: (r, v) => r.endpoints.some((e) => e.networkName === v || (v !== "" && e.networkId.startsWith(v))),
  volume: (r, v) => (r.hostConfig.Binds ?? []).some((b) => b.split(":").slice(0, 2).includes(v)),
  publish: (r, v) =>
    hasPort(
      v,
      r.endpoints.flatMap((e) => (e.attached?.ports ?? []).map((p) => `${p.hostPort}/${p.proto}`)),
    ),
  expose: (r, v) => hasPort(v, Object.keys(r.config.ExposedPorts ?? {})),
  health: (_r, v) => v === "none",
  "is-task": (_r, v) => v === "false",
};

function matches(pattern: string, text: string): boolean {
  if (pattern.length > 256) throw invalid("filter value is too long");
  try {
    return new RegExp(pattern).test(text);
  } catch {
    return text.includes(pattern); // ignored: not a regular expression, so it is taken literally
  }
}

function hasPort(wanted: string, ports: readonly string[]): boolean {
  const m = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(wanted);
  if (m === null) throw invalid(`invalid port filter: ${wanted}`);
  const [from, to, proto] = [Number(m[1]), Number(m[2] ?? m[1]), m[3] ?? "tcp"];
  return ports.some((p) => {
    const { port, proto: other } = parsePortKey(p);
    return port >= from && port <= to && other === proto;
  });
}

/** Returns the records to show, newest first. Fails with invalidParameter on unknown filters, notFound for before and since. */
export function selectContainers(
  newestFirst: readonly ContainerRecord[],
  query: { all: boolean; limit?: number | undefined; filters: Filters },
  context: FilterContext,
): ContainerRecord[] {
  const { filters } = query;
  for (const key of Object.keys(filters))
    if (!(key in TESTS) && key !== "before" && key !== "since") throw invalid(`invalid filter '${key}'`);
  for (const s of filters["status"] ?? [])
    if (!STATUSES.includes(s)) throw invalid(`invalid filter 'status=${s}'`);
  for (const e of filters["exited"] ?? [])
    if (!/^\d+$/.test(e)) throw invalid(`invalid filter 'exited=${e}'`);
  const bounded = between(newestFirst, filters, context);
  const limit = query.limit !== undefined && query.limit > 0 ? query.limit : Number.POSITIVE_INFINITY;
  const showsStopped =
    query.all || Number.isFinite(limit) || ["status", "exited"].some((f) => filters[f]?.length);
  const tests = Object.entries(filters).filter(([key, values]) => key in TESTS && values.length > 0);
  return bounded
    .filter(
      (r) =>
        (showsStopped || isRunning(r) || r.state.status === "restarting") &&
        tests.every(([key, values]) => fits(r, key, values, context)),
    )
    .slice(0, limit);
}

function fits(
  record: ContainerRecord,
  key: string,
  values: readonly string[],
  context: FilterContext,
): boolean {
  const test = TESTS[key] as Test;
  return key === "label"
    ? values.every((v) => test(record, v, context))
    : values.some((v) => test(record, v, context));
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
