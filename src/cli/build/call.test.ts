// `build --call`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, callOf } from "./call.ts";

test("a call names its request and how the answer is printed", () => {
  const call = (text: string, check = false) => callOf({ call: text, check });
  assert.equal(call("build"), undefined);
  assert.deepEqual(call("build", true), { request: "frontend.lint", isJson: false, ignoresStatus: false });
  assert.deepEqual(call("outline,format=json"), {
    request: "frontend.outline",
    isJson: true,
    ignoresStatus: false,
  });
  assert.equal(call("check,ignorestatus")?.ignoresStatus, true);
  assert.throws(() => call("nothing"), /--call nothing is not known/);
  assert.throws(() => call("outline,format=xml"), /invalid option format=xml/);
});

test("only a check that found something is a failure", () => {
  const found = {
    "result.json": '{"warnings":[{"ruleName":"R","detail":"d"}],"sources":[]}',
    "result.txt": "table\n",
  };
  const answer = (request: string, more: object = {}) =>
    answerOf({ request, isJson: false, ignoresStatus: false, ...more }, found);
  assert.deepEqual(answer("frontend.outline"), { text: "table\n", exitCode: 0 });
  assert.equal(answer("frontend.lint").exitCode, 1);
  assert.equal(answer("frontend.lint", { ignoresStatus: true }).exitCode, 0);
  assert.deepEqual(answer("frontend.lint", { isJson: true }), {
    text: `${found["result.json"]}\n`,
    exitCode: 1,
  });
});
