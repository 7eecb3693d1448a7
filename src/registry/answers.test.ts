import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answerer, faultOf, RATE_LIMITED } from "./answers.ts";
import { mayPass } from "./retry.ts";

const tooMany = (headers: Record<string, string>): Response =>
  new Response('{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}', {
    status: 429,
    headers,
  });

test("a rate limit says when requests are let through again, and is not tried against", async () => {
  const at = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3600_000);
  const seconds = String(at.getTime() / 1000);
  for (const headers of [
    { "Retry-After": at.toUTCString() },
    { "RateLimit-Reset": seconds },
    { "X-RateLimit-Reset": seconds },
  ]) {
    const fault = await faultOf(tooMany(headers as never), "x");
    assert.equal(fault.code, RATE_LIMITED);
    assert.equal(mayPass(fault), false);
    assert.equal(
      fault.message,
      `toomanyrequests: You have reached your pull rate limit.: try again after ${at.toISOString()}`,
    );
  }
  const hub = await faultOf(tooMany({ "RateLimit-Limit": "100;w=21600", "Retry-After": "60" }), "x");
  assert.match(hub.message, /limit\. \(limit 100 in 6 hours\): try again after 2\d\d\d-/);
  assert.match((await faultOf(tooMany({ "Retry-After": "soon" }), "x")).message, /limit\.$/);
});

test("what others than the registry answer is repeated in the form of its errors, or not at all", async () => {
  const said = async (text: string, answerer: Answerer): Promise<string> =>
    (await faultOf(new Response(text, { status: 403 }), "x", answerer)).message;
  const errors = '{"errors":[{"code":"DENIED","message":"no"}]}';
  assert.equal(await said("SECRET", "registry"), "SECRET");
  assert.equal(await said(errors, "service"), "denied: no");
  for (const [text, answerer] of [
    ["SECRET", "service"],
    ["SECRET", "other"],
    [errors, "other"],
  ] as const)
    assert.equal(await said(text, answerer), "registry answered 403 for x");
});

test("refusals have the registry's words, or the status", async () => {
  const denied = new Response('{"errors":[{"code":"DENIED","message":"no"}]}', { status: 403 });
  assert.deepEqual({ ...(await faultOf(denied, "x")) }.kind, "forbidden");
  const down = await faultOf(new Response("", { status: 502 }), "a/b/manifests/1");
  assert.deepEqual([down.kind, down.message], ["unavailable", "registry answered 502 for a/b/manifests/1"]);
  assert.equal(mayPass(down), true);
});
