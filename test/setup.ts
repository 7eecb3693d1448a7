// Loaded before every test file: property tests run with one seed in continuous integration, so that a run can be repeated;
// everywhere else with a new one each time, which they print when they fail. SEED=n sets it. With PROPERTY_SECONDS=n (`make fuzz`) each property
// is tried for so many seconds instead of so many times.
import { mock } from "bun:test";
import fc from "fast-check";

const seed = process.env["SEED"] ?? (process.env["CI"] === "true" ? "20261121" : undefined);
if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });

const seconds = Number(process.env["PROPERTY_SECONDS"] ?? 0);
if (seconds > 0) {
  const budget = { numRuns: 1e9, interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false };
  const { assert } = fc;
  const assertFor = (property: fc.IRawProperty<unknown>, parameters?: fc.Parameters<unknown>): unknown =>
    assert(property, { ...parameters, ...budget });
  await mock.module("fast-check", () => ({ ...fc, default: { ...fc, assert: assertFor } }));
}
