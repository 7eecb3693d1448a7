// Binds the system operations to the engine's system port; answers the ping itself.

import type { OperationSpec } from "../../api/contract.ts";
import * as operations from "../../api/operations/system.ts";
import type { SystemPort } from "../ports.ts";
import { answer, jsonLines, type Route } from "../route.ts";
import { isEventKnown, shapeDiskUsage } from "../shape.ts";
import { isAtLeast } from "../../api/version.ts";

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

/** compat: the stream was labelled application/json before 1.52. */
function eventsType(version: string): string {
  return isAtLeast(version, "1.52") ? "application/jsonl" : "application/json";
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
    answer(operations.systemAuth, port.auth?.bind(port)),
  ];
}
