import assert from "node:assert/strict";
import { test } from "node:test";
import { nowNano } from "../lib/time.ts";
import { flagFilter, pruneMatcher } from "./prune-filter.ts";

test("pruneMatcher wants every label, none of label!, and an age", () => {
  const object = { createdNano: nowNano() - 3_600_000_000_000n, labels: { a: "1", b: "2" } };
  assert.ok(pruneMatcher({})(object));
  assert.ok(pruneMatcher({ label: ["a", "b=2"], until: ["30m"] })(object));
  assert.ok(!pruneMatcher({ label: ["a", "b=3"] })(object));
  assert.ok(!pruneMatcher({ "label!": ["a=1"] })(object));
  assert.ok(pruneMatcher({ "label!": ["a=2"] })(object));
  assert.ok(!pruneMatcher({ until: ["2h"] })(object));
  assert.throws(() => pruneMatcher({ name: ["x"] }), { message: "invalid filter 'name'" });
  assert.throws(() => pruneMatcher({ until: ["1h", "2h"] }), { message: /more than one until/ });
});

test("flagFilter reads yes and no", () => {
  assert.equal(flagFilter({}, "dangling", true), true);
  assert.equal(flagFilter({ dangling: ["false"] }, "dangling", true), false);
  assert.equal(flagFilter({}, "dangling", undefined), undefined);
  assert.equal(flagFilter({ dangling: ["1", "true", "x"] }, "dangling", false), true);
  const sent = (off: string[], ...values: string[]) => ({ dangling: Object.assign(values, { off }) });
  assert.equal(flagFilter(sent(["false"], "true", "false"), "dangling", false), true);
  assert.throws(() => flagFilter(sent(["true"], "true"), "dangling", false), {
    message: "invalid filter 'dangling=[true]'",
  });
  const refused = (values: string[], message: string): void => {
    const read = (): unknown => flagFilter({ dangling: values }, "dangling", true);
    assert.throws(read, { kind: "invalidParameter", message });
  };
  refused([], "invalid filter 'dangling'");
  refused(["T"], "invalid filter 'dangling=[T]'");
  refused(["true", "0"], "invalid filter 'dangling=[true 0]'");
});
