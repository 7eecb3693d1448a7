// Waiting for a container's end: the request is at the daemon before start() is sent, so that no exit is missed.

import type { Client } from "../../../api/client.ts";
import { containerWait } from "../../../api/operations/container.ts";
import type { ContainerWait } from "../../../api/schemas/container.ts";
import { describeFailure } from "../../failure.ts";
import { printError } from "../../output.ts";

/** Registers the wait; resolves when the daemon has it. The inner promise gives the exit code, 125 when waiting fails. */
export async function registerWait(
  client: Client,
  id: string,
  condition: "next-exit" | "removed",
): Promise<{ readonly status: Promise<number> }> {
  // The response's head says that the wait is registered; its body is the value.
  const response = await client.stream(containerWait, { id, condition });
  return { status: readStatus(response) };
}

async function readStatus(response: AsyncIterable<Uint8Array>): Promise<number> {
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const result = JSON.parse(Buffer.concat(chunks).toString()) as ContainerWait;
    if (result.Error == null) return result.StatusCode;
    printError(`Error waiting for container: ${result.Error.Message}\n`);
  } catch (error) {
    printError(`error waiting for container: ${describeFailure(error)}\n`);
  }
  return 125;
}
