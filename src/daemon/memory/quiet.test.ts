import assert from "node:assert/strict";
import { test } from "node:test";
import { quietLook } from "./quiet.ts";

test("memory is given back once after work, when it is over, and not for next to nothing", () => {
  let used = 0;
  let shrunk = 0;
  const look = quietLook({
    cpuMs: () => used,
    shrink: () => {
      shrunk++;
      used += 400; // a collection takes time, too
    },
  });
  const after = (ms: number): number => {
    used += ms;
    look();
    return shrunk;
  };
  assert.equal(after(20_000), 0, "it works");
  assert.equal(after(10), 1, "it has worked");
  assert.equal(after(10), 1, "once");
  assert.equal(after(250), 1);
  assert.equal(after(250), 1);
  assert.equal(after(250), 1, "little work");
  assert.equal(after(250), 2, "a lot of little work");
  assert.equal(after(2000), 2);
  assert.equal(after(0), 3);
});
