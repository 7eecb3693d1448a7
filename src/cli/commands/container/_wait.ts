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
  const { result } = await client.begin(containerWait, { id, condition });
  return { status: readStatus(result) };
}

async function readStatus(result: Promise<ContainerWait>): Promise<number> {
  try {
    const { StatusCode, Error: failure } = await result;
    if (failure == null) return StatusCode;
    printError(`Error waiting for container: ${failure.Message}\n`);
  } catch (error) {
    printError(`error waiting for container: ${describeFailure(error)}\n`);
  }
  return 125;
}
