// Binds the system operations to the engine's system port; answers the ping itself.

import type { OperationSpec } from "../../api/contract.ts";
import * as operations from "../../api/operations/system.ts";
import type { SystemPort } from "../ports.ts";
import { answer, JSON_SEQUENCE, jsonLines, type Route } from "../route.ts";
import { isEventKnown, shapeDiskUsage } from "../shape.ts";
import { isAtLeast } from "../../lib/version-order.ts";

/** Headers of the ping besides those of every answer. */
export interface PingHeaders {
  readonly builderVersion: string;
  readonly swarm: string;
}

function ping(operation: OperationSpec, headers: PingHeaders): Route {
  return {
    operation,
    handle: async (_input, exchange) => {
      const fields = {
        "Builder-Version": headers.builderVersion,
        "Cache-Control": "no-cache, no-store, must-revalidate",
        Pragma: "no-cache",
        Swarm: headers.swarm,
        "Content-Type": "text/plain; charset=utf-8",
      };
      exchange.send(200, fields, operation.method === "HEAD" ? undefined : "OK");
    },
  };
}

function dataUsage(port: SystemPort): Route {
  const operation = operations.systemDataUsage;
  if (port.dataUsage === undefined) return { operation, handle: undefined };
  const handler = port.dataUsage.bind(port);
  return {
    operation,
    handle: async (input, exchange) => {
      const asked = input as Parameters<typeof handler>[0];
      const value = await handler(asked, exchange.call);
      exchange.json(200, shapeDiskUsage(exchange.call.version, asked.verbose, value));
    },
  };
}

const STREAM_TYPES = ["application/jsonl", "application/x-ndjson", JSON_SEQUENCE];

/** The form that the client asks for by name; compat: the stream was labelled application/json before 1.52. */
function eventsType(version: string, accept: string): string {
  const usual = isAtLeast(version, "1.52") ? "application/jsonl" : "application/json";
  return bestOffer(accept, STREAM_TYPES) ?? usual;
}

/** Returns the offer that an Accept header names with the highest weight; wildcards name none, of equals the first counts. */
function bestOffer(accept: string, offers: readonly string[]): string | undefined {
  const weights = new Map<string, number>();
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const q = parameters.find((p) => p.startsWith("q="))?.slice(2);
    weights.set(type, Math.max(weights.get(type) ?? 0, q === undefined ? 1 : Number(q) || 0));
  }
  const weightOf = (offer: string): number => weights.get(offer) ?? 0;
  const best = Math.max(...offers.map(weightOf));
  return best > 0 ? offers.find((offer) => weightOf(offer) === best) : undefined;
}

export function systemRoutes(port: SystemPort, headers: PingHeaders): Route[] {
  return [
    ping(operations.systemPing, headers),
    ping(operations.systemPingHead, headers),
    answer(operations.systemVersion, port.version?.bind(port)),
    answer(operations.systemInfo, port.info?.bind(port)),
    jsonLines(operations.systemEvents, port.events?.bind(port), {
      contentType: eventsType,
      isKnown: isEventKnown,
    }),
    dataUsage(port),
    answer(operations.systemCheck, port.check?.bind(port)),
    answer(operations.systemAuth, port.auth?.bind(port)),
  ];
}
