// Loaded before every test file: property tests run with one seed in continuous integration, so that a run can be repeated;
// everywhere else with a new one each time, which they print when they fail. SEED=n sets it.
import fc from "fast-check";

const seed = process.env["SEED"] ?? (process.env["CI"] === "true" ? "20261121" : undefined);
if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });
