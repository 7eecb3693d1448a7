// Shows the logs of a project's containers, and with `follow` goes on with those that are started later.

import type { Client } from "../../api/client.ts";
import { containerInspect } from "../../api/operations/container.ts";
import { systemEvents } from "../../api/operations/system.ts";
import type { EventMessage } from "../../api/schemas/system.ts";
import { Fault } from "../../lib/errors.ts";
import { label } from "../observe/labels.ts";
import { type ObservedContainer, ofProject, orNothing } from "../observe/observe.ts";
import { shortName } from "../request/names.ts";
import { type LogQuery, readLog } from "./output.ts";
import type { LogPrinter } from "./printer.ts";

export interface FollowOptions {
  readonly client: Client;
  readonly project: string;
  readonly containers: readonly ObservedContainer[];
  /** Services whose containers are meant; all when empty. */
  readonly services: readonly string[];
  readonly query: LogQuery;
  readonly printer: LogPrinter;
  readonly signal: AbortSignal;
}

/** A container that is being restarted has ended for a moment. */
const RESTART_MS = 1000;

/** Shows the logs; with `follow` until the signal, or until all the containers have ended. */
export async function showLogs(options: FollowOptions): Promise<void> {
  const { client, project, containers, query, printer, signal } = options;
  for (const { name } of containers) printer.register(shortName(project, name));
  if (query.follow !== true) {
    for (const { id, name } of containers) await show(options, id, name, query);
    return;
  }
  const over = new AbortController();
  const events = await client.stream(
    systemEvents,
    {
      filters: {
        type: ["container"],
        event: ["start", "die"],
        ...ofProject(project, `${label.oneOff}=False`),
      },
    },
    { signal: AbortSignal.any([signal, over.signal]) },
  );
  const alive = new Set(containers.map(({ id }) => id));
  let ending: NodeJS.Timeout | undefined;
  const running = new Map<string, Promise<void>>();
  const follow = (id: string, name: string, range: Partial<LogQuery>): void => {
    const before = running.get(id) ?? Promise.resolve();
    const own = before.then(() => show(options, id, name, { ...query, ...range }));
    running.set(id, own);
    own.catch(() => {}); // ignored here: waited for below
  };
  const ends = await endsOf(client, containers);
  for (const { id, name } of containers) follow(id, name, {});
  try {
    for await (const { Action, Actor, timeNano } of events) {
      const { Attributes: attributes } = Actor;
      if (options.services.length > 0 && !options.services.includes(attributes[label.service] ?? ""))
        continue;
      const nanos = String(timeNano);
      const since = `${nanos.slice(0, -9)}.${nanos.slice(-9)}`;
      if (Action === "die") {
        ends.set(Actor.ID, since);
        const before = running.get(Actor.ID) ?? Promise.resolve();
        const { isBack, tell } = await endOf(options, Actor);
        const told = before.then(tell);
        running.set(Actor.ID, told);
        told.catch(() => {}); // ignored here: waited for below
        if (isBack) continue;
        alive.delete(Actor.ID);
        if (alive.size === 0) ending = setTimeout(() => over.abort(), RESTART_MS);
        continue;
      }
      clearTimeout(ending);
      alive.add(Actor.ID);
      // A container may have said something before its start is told, so what it says is all behind its last end.
      follow(Actor.ID, attributes["name"] ?? Actor.ID, {
        tail: "all",
        since: ends.get(Actor.ID) ?? (running.has(Actor.ID) ? since : query.since),
      });
    }
  } catch (error) {
    if (!signal.aborted && !over.signal.aborted) throw error;
  }
  clearTimeout(ending);
  await Promise.all(running.values());
}

/** What is to be said of a container that has died, and whether it comes back by itself. */
async function endOf(
  { client, project, printer }: FollowOptions,
  { ID: id, Attributes: attributes }: EventMessage["Actor"],
): Promise<{ readonly isBack: boolean; readonly tell: () => void }> {
  const state = (await orNothing(client.call(containerInspect, { id })))?.State;
  const isBack = state !== undefined && (state.Restarting || state.Running);
  const text = `exited with code ${attributes["exitCode"] ?? 0}${isBack ? " (restarting)" : ""}`;
  return { isBack, tell: () => printer.status(shortName(project, attributes["name"] ?? id), text) };
}

/** When those that do not run ended. */
async function endsOf(
  client: Client,
  containers: readonly ObservedContainer[],
): Promise<Map<string, string>> {
  const ended = containers.filter(({ state }) => state === "exited" || state === "dead");
  const ends = await Promise.all(
    ended.map(async ({ id }) => {
      const { State } = await client.call(containerInspect, { id });
      return [id, State.FinishedAt] as const;
    }),
  );
  return new Map(ends);
}

async function show(
  { client, project, printer, signal }: FollowOptions,
  id: string,
  name: string,
  query: LogQuery,
) {
  const short = shortName(project, name);
  try {
    await readLog(client, id, query, (fd, data) => printer.take(short, fd, data), signal);
  } catch (error) {
    // A log driver that cannot be read, and a container that is gone, have nothing to show.
    const isNothing =
      error instanceof Fault && (error.kind === "notFound" || error.kind === "notImplemented");
    if (!isNothing && !signal.aborted) throw error;
  }
  printer.end(short);
}
