import assert from "node:assert/strict";
import { test } from "node:test";
import { listMatcher, pruneVolumeMatcher } from "./filter.ts";

const volume = (name: string, labels: Record<string, string> | null = null, driver = "local") => ({
  name,
  labels,
  driver,
});
const never = (): boolean => false;

test("listMatcher: any name and driver, all labels, used or not", () => {
  const fits = (filters: Record<string, string[]>, v = volume("web-data", { a: "1" })) =>
    listMatcher(filters, (n) => n === "used")(v);
  assert.ok(fits({}));
  assert.ok(fits({ name: ["zzz", "b-d"], driver: ["local"], label: ["a", "a=1"] }));
  assert.ok(fits({ name: ["^web.*a$"] }));
  assert.ok(!fits({ name: ["["] }));
  assert.ok(!fits({ label: ["a", "b"] }));
  assert.ok(fits({ dangling: ["true"] }));
  assert.ok(!fits({ dangling: ["0"] }));
  assert.ok(fits({ dangling: ["false"] }, volume("used")));
  assert.throws(() => listMatcher({ colour: ["red"] }, never), { message: "invalid filter 'colour'" });
  assert.throws(() => listMatcher({ dangling: ["maybe"] }, never), /invalid filter 'dangling=/);
});

test("pruneVolumeMatcher: anonymous ones unless all", () => {
  const anonymous = { "com.docker.volume.anonymous": "" };
  assert.ok(pruneVolumeMatcher({})(volume("x", anonymous)));
  assert.ok(!pruneVolumeMatcher({})(volume("x")));
  assert.ok(pruneVolumeMatcher({ all: ["true"] })(volume("x")));
  assert.ok(!pruneVolumeMatcher({ "label!": ["keep"] })(volume("x", { ...anonymous, keep: "" })));
  assert.ok(!pruneVolumeMatcher({ label: ["tier"] })(volume("x", anonymous)));
  assert.throws(() => pruneVolumeMatcher({ until: ["1h"] }), { message: "invalid filter 'until'" });
  for (const text of ["T", "t", "TRUE", "True", "1"])
    assert.ok(pruneVolumeMatcher({ all: [text] })(volume("x")), text);
  for (const text of ["F", "f", "FALSE", "False", "0"])
    assert.ok(!pruneVolumeMatcher({ all: [text] })(volume("x")), text);
  assert.throws(
    () => pruneVolumeMatcher({ all: ["1", "0"] }),
    /invalid filter 'all=\[1 0\]': only one value/,
  );
  assert.throws(
    () => pruneVolumeMatcher({ all: ["yes"] }),
    /'all': strconv.ParseBool: parsing "yes": invalid/,
  );
});
