import assert from "node:assert/strict";
import { test } from "node:test";
import type { CreateFlags } from "./_create-request.ts";
import { healthcheckOf } from "./_health-request.ts";

const NO_FLAGS = {
  "health-cmd": "",
  "health-http": "",
  "health-tcp": "",
  "health-on-failure": "",
  "health-interval": 0,
  "health-timeout": 0,
  "health-start-period": 0,
  "health-start-interval": 0,
  "health-retries": 0,
  "no-healthcheck": false,
};
const request = (flags: object) => healthcheckOf({ ...NO_FLAGS, ...flags } as CreateFlags).Healthcheck;

test("healthcheckOf sends each kind of test", () => {
  assert.equal(request({}), undefined);
  assert.deepEqual(request({ "health-cmd": "a b" })?.Test, ["CMD-SHELL", "a b"]);
  assert.deepEqual(request({ "health-http": "http://localhost" })?.Test, ["HTTP", "http://localhost"]);
  assert.deepEqual(request({ "health-tcp": "80", "health-on-failure": "kill" }), {
    Test: ["TCP", "80"],
    Interval: 0,
    Timeout: 0,
    StartPeriod: 0,
    StartInterval: 0,
    Retries: 0,
    OnFailure: "kill",
  });
  assert.deepEqual(request({ "no-healthcheck": true }), { Test: ["NONE"] });
  assert.equal(request({ "health-on-failure": "stop" })?.Test, undefined); // the image's
});

test("healthcheckOf refuses what contradicts itself", () => {
  const refused = (flags: object, message: string): void => assert.throws(() => request(flags), { message });
  for (const one of [{ "health-cmd": "x" }, { "health-http": "x" }, { "health-on-failure": "none" }])
    refused({ "no-healthcheck": true, ...one }, "--no-healthcheck conflicts with --health-* options");
  refused({ "health-cmd": "x", "health-tcp": "80" }, "--health-cmd conflicts with --health-tcp");
  refused({ "health-retries": -1 }, "--health-retries cannot be negative");
  refused({ "health-start-interval": -1 }, "--health-start-interval cannot be negative");
  refused(
    { "health-on-failure": "x" },
    'invalid value for --health-on-failure: "x" is none of none, restart, stop, kill',
  );
});
