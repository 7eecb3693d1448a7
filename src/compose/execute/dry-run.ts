// A client that only looks: what would change something is answered as if it had been done. For --dry-run.

import type { Client } from "../../api/client.ts";
import { Fault } from "../../lib/errors.ts";

const CREATED = "dryrun";

/** Returns a client for the same daemon that changes nothing there. */
export function dryRunClient(client: Client): Client {
  let created = 0;
  const isReading = (method: string): boolean => method === "GET" || method === "HEAD";
  const call = async (
    operation: { name: string; method: string },
    args: object,
    options?: object,
  ): Promise<unknown> => {
    if (isReading(operation.method)) return client.call(operation as never, args as never, options);
    if (operation.name === "ContainerCreate" || operation.name === "NetworkCreate")
      return { Id: `${CREATED}${++created}`, Warnings: [] };
    if (operation.name === "VolumeCreate") return { Name: "" };
    return undefined;
  };
  const stream = async (
    operation: { name: string; method: string },
    args: object,
    options?: object,
  ): Promise<unknown> => {
    if (isReading(operation.method)) return client.stream(operation as never, args as never, options);
    return { status: 200, headers: new Map(), async *[Symbol.asyncIterator]() {} };
  };
  const hijack = async (): Promise<never> => {
    throw new Fault("invalidParameter", "attaching is not supported in dry-run mode", {
      code: "compose.dry-run",
    });
  };
  return {
    host: client.host,
    version: client.version,
    text: (operation, args, options) => client.text(operation, args, options),
    ping: (options) => client.ping(options),
    call,
    stream,
    hijack,
    attach: hijack,
    begun: hijack,
    begin: async (operation, args, options) => ({ result: call(operation, args, options) }),
  } as Client;
}
