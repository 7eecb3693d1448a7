import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerConfig } from "../../../api/schemas/container.ts";
import { endsContainer } from "./stop.ts";

const configured = (StopSignal: string) => ({ config: { StopSignal } as ContainerConfig });

test("endsContainer: any signal where no stop signal is configured, else that one and SIGKILL", () => {
  for (const signal of [1, 9, 10, 15]) assert.equal(endsContainer(configured(""), signal), true);
  const own = configured("SIGUSR1");
  assert.deepEqual(
    [1, 9, 10, 15].map((signal) => endsContainer(own, signal)),
    [false, true, true, false],
  );
});
