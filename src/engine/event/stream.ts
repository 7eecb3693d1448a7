// SystemEvents: what a request asks of the bus, and events as the API shows them.
import type { Filters } from "../../api/contract.ts";
import type { EventMessage } from "../../api/schemas/system.ts";
import { Fault } from "../../lib/errors.ts";
import { nowNano, parseTimestamp } from "../../lib/time.ts";
import type { EventBus, LostEvents } from "./bus.ts";
import type { EngineEvent } from "./event.ts";
import { eventMatcher } from "./filter.ts";

export interface EventsRequest {
  /** Unix seconds with an optional fraction. */
  readonly since: string | undefined;
  readonly until: string | undefined;
  /** Sequence number of the latest event that the client has; an extension. */
  readonly after: number | undefined;
  readonly filters: Filters;
}

/** Opens the stream; fails with invalidParameter before its first event. `daemonId` is the actor of the daemon's own events. */
export function openEvents(
  bus: EventBus,
  request: EventsRequest,
  daemonId: string,
  signal: AbortSignal,
): AsyncIterable<EventMessage> {
  const { after } = request;
  const since = timeOf("since", request.since);
  const until = timeOf("until", request.until);
  if (until !== undefined && until < (since ?? until))
    throw invalid(
      `\`since\` time (${request.since}) cannot be after \`until\` time (${request.until})`,
      "events.time",
    );
  if (after !== undefined && (after < 0 || after > bus.latest))
    throw invalid(`cannot resume after event ${after}: the latest event is ${bus.latest}`, "events.after");
  const query = {
    matches: eventMatcher(request.filters),
    ...(since === undefined ? {} : { sinceNano: since }),
    ...(until === undefined ? {} : { untilNano: until }),
    ...(after === undefined ? {} : { after }),
  };
  return messages(bus.subscribe(query, signal), daemonId);
}

function timeOf(name: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  const why = whyNoTimestamp(text);
  const nano = why === undefined ? parseTimestamp(text.replace(/^\+/, "").replace(/\.$/, "")) : null;
  if (nano === null)
    throw invalid(`invalid value for '${name}': invalid timestamp "${text}": ${why}`, "events.time");
  return nano;
}

/** Longer fractions are refused, those of ten digits and more are cut. */
const MAX_FRACTION_DIGITS = 20;

/** compat: what Docker says about a text that is no `seconds[.nanoseconds]`. */
function whyNoTimestamp(text: string): string | undefined {
  const [seconds = "", ...rest] = text.split(".");
  if (!/^[+-]?\d+$/.test(seconds)) return `invalid seconds "${seconds}": invalid syntax`;
  if (!/^[+-]?\d{1,12}$/.test(seconds)) return `invalid seconds "${seconds}": value out of range`;
  const fraction = rest.join(".");
  if (fraction.length > MAX_FRACTION_DIGITS)
    return `invalid nanoseconds: length ${fraction.length} exceeds maximum ${MAX_FRACTION_DIGITS}`;
  const at = fraction.search(/\D/);
  return at < 0 ? undefined : `invalid nanoseconds: invalid character '${fraction[at]}' at position ${at}`;
}

function invalid(message: string, code: string): Fault {
  return new Fault("invalidParameter", message, { code });
}

async function* messages(
  events: AsyncIterable<EngineEvent | LostEvents>,
  daemonId: string,
): AsyncGenerator<EventMessage> {
  for await (const e of events) yield "lost" in e ? lostMessage(e, daemonId) : messageOf(e);
}

function messageOf(e: EngineEvent): EventMessage {
  return {
    Type: e.type,
    Action: e.action,
    Actor: { ID: e.actorId, Attributes: { ...e.attributes } },
    scope: "local",
    ...times(e.timeNano),
    Sequence: e.sequence,
  };
}

/** Tells a client that events are missing here; it has no number of its own, so that a client does not resume after it. */
function lostMessage({ lost }: LostEvents, daemonId: string): EventMessage {
  return {
    Type: "daemon",
    Action: "lost",
    Actor: { ID: daemonId, Attributes: { lost: String(lost) } },
    scope: "local",
    ...times(nowNano()),
  };
}

function times(nano: bigint): Pick<EventMessage, "time" | "timeNano"> {
  return { time: Number(nano / 1_000_000_000n), timeNano: nano };
}
