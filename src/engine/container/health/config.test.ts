import assert from "node:assert/strict";
import { test } from "node:test";
import {
  adaptHealthcheck,
  checkHealthcheck,
  checkOf,
  checkReaction,
  checkTest,
  completeHealthcheck,
  reactionOf,
} from "./config.ts";

const MS = 1e6;
const S = 1e9;

test("checkHealthcheck refuses with Docker's words", () => {
  const refusal = (request: Parameters<typeof checkHealthcheck>[0]): string => {
    try {
      checkHealthcheck(request);
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(refusal(null), "");
  assert.equal(refusal({ Interval: MS, Timeout: 0, StartPeriod: MS, StartInterval: MS, Retries: 0 }), "");
  assert.equal(refusal({ Interval: -10 * MS }), "Interval in Healthcheck cannot be less than 1ms");
  assert.equal(refusal({ Interval: MS / 2 }), "Interval in Healthcheck cannot be less than 1ms");
  assert.equal(refusal({ Timeout: -1 }), "Timeout in Healthcheck cannot be less than 1ms");
  assert.equal(refusal({ StartPeriod: 1 }), "StartPeriod in Healthcheck cannot be less than 1ms");
  assert.equal(refusal({ StartInterval: 1 }), "StartInterval in Healthcheck cannot be less than 1ms");
  assert.equal(refusal({ Retries: -10 }), "Retries in Healthcheck cannot be negative");
  assert.match(refusal({ OnFailure: "panic" }), /must be one of none, restart, stop, kill, not "panic"/);
  assert.match(refusal({ Test: ["curl x"] }), /must begin with one of .*, not "curl x"/);
  assert.match(refusal({ Test: ["CMD"] }), /nothing after "CMD"/);
  assert.match(refusal({ Test: ["HTTP", "https://localhost"] }), /does not begin with http/);
  assert.match(refusal({ Test: ["TCP", "80", "81"] }), /more than one target/);
  assert.equal(refusal({ Test: ["NONE"] }), "");
  assert.equal(refusal({ Test: [] }), "");
  assert.equal(refusal({ Test: ["TCP", "localhost:80"], OnFailure: "stop" }), "");
});

test("adaptHealthcheck ignores what the client's version of the API does not know", () => {
  const request = { Interval: S, StartInterval: S };
  assert.deepEqual(adaptHealthcheck(request, "1.43"), { Interval: S });
  assert.equal(adaptHealthcheck(request, "1.44"), request);
  assert.equal(adaptHealthcheck(null, "1.41"), null);
});

test("checkTest warns of a kind that only an image could bring", () => {
  assert.equal(checkTest(["CMD-FUTURE", "x"]).length, 1);
  assert.deepEqual(checkTest(["CMD", "x"]), []);
});

test("completeHealthcheck inherits field by field", () => {
  const image = { test: ["CMD", "a"], intervalNanos: S, retries: 7, startIntervalNanos: 2 * S };
  assert.equal(completeHealthcheck(undefined, undefined), undefined);
  assert.deepEqual(completeHealthcheck(null, image), {
    Test: ["CMD", "a"],
    Interval: S,
    Retries: 7,
    StartInterval: 2 * S,
  });
  assert.deepEqual(completeHealthcheck({ Interval: 3 * S, Retries: 0 }, image)?.Interval, 3 * S);
  assert.deepEqual(completeHealthcheck({ Interval: 3 * S, Retries: 0 }, image)?.Retries, 7);
  assert.deepEqual(completeHealthcheck({ Test: ["NONE"] }, image)?.Test, ["NONE"]);
});

test("checkOf fills in Docker's defaults", () => {
  assert.deepEqual(checkOf({ Healthcheck: { Test: ["CMD", "x"], Interval: 0 } }), {
    test: ["CMD", "x"],
    intervalMs: 30_000,
    timeoutMs: 30_000,
    startPeriodMs: 0,
    startIntervalMs: 5_000,
    retries: 3,
  });
  const all = { Interval: S, Timeout: 1.5 * S, StartPeriod: 2 * S, StartInterval: MS, Retries: 1 };
  assert.deepEqual(checkOf({ Healthcheck: { Test: ["CMD-SHELL", "x"], ...all } }), {
    test: ["CMD-SHELL", "x"],
    intervalMs: 1000,
    timeoutMs: 1500,
    startPeriodMs: 2000,
    startIntervalMs: 1,
    retries: 1,
  });
});

test("checkOf finds nothing to do without a test, with NONE and for a kind that nobody knows", () => {
  for (const Healthcheck of [{}, { Test: [] }, { Test: ["NONE"] }, { Test: ["CMD-FUTURE", "x"] }])
    assert.equal(checkOf({ Healthcheck }), null);
  assert.equal(checkOf({}), null);
});

test("checkReaction refuses to react to what nobody checks", () => {
  const Healthcheck = { Test: ["CMD", "x"] };
  checkReaction({ OnFailure: "stop" }, { Healthcheck });
  checkReaction({ OnFailure: "none" }, {});
  checkReaction(undefined, {});
  for (const config of [{}, { Healthcheck: { Test: ["NONE"] } }])
    assert.throws(() => checkReaction({ OnFailure: "stop" }, config), {
      message: "cannot stop a container that has no health check when it is unhealthy",
    });
});

test("reactionOf does nothing unless it is told to in words that are known", () => {
  assert.equal(reactionOf({}), "none");
  assert.equal(reactionOf({ Healthcheck: { OnFailure: "restart" } }), "restart");
  assert.equal(reactionOf({ Healthcheck: { OnFailure: "whatever an image says" } }), "none");
});
