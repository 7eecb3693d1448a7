import assert from "node:assert/strict";
import { test } from "node:test";
import { type Allowed, findPathCalls, judgeFile } from "./native-paths.ts";

const calls = (source: string): string[] =>
  findPathCalls(source).map((c) => `${c.line} ${c.inFunction} ${c.call}`);

const FILE = `#include <fcntl.h>
static int open_it(struct thing *t,
                   const char *path)
{
	// open(path) in a comment
	puts("open(path) in a text");
	return open(path, O_RDONLY);
}

int other(void)
{
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
	int (*later)(const char *, int, ...) = open;
	return t->open(path) + x.stat(path) + reopen(fd);
}
`;

test("calls that take a path are found with their function, whatever they look like", () => {
  assert.deepEqual(calls(FILE), ["7 open_it open", "12 other openat2", "13 other open"]);
});

test("comments, texts, members and other names are no calls", () => {
  assert.deepEqual(
    calls("int f(void)\n{\n\t/* stat(x)\n\t   open(y) */\n\treturn my_open(a) + a->mount(b);\n}\n"),
    [],
  );
});

test("a call that is not listed fails, and says what to do", () => {
  const [problem = "", ...more] = judgeFile("x.c", FILE, {});
  assert.match(
    problem,
    /native\/x\.c:7: open_it\(\) calls open\(\).*native\/resolve\.h.*tools\/native-paths\.json/,
  );
  assert.equal(more.length, 2);
});

const ALLOWED: Allowed = {
  "x.c": {
    open_it: { calls: ["open"], because: "the host's own path, from the plan" },
    other: { calls: ["openat2", "open"], because: "the host's own path, from the plan" },
  },
};

test("listed calls pass; one more in the same function does not", () => {
  assert.deepEqual(judgeFile("x.c", FILE, ALLOWED), []);
  const planted = FILE.replace("	return open(", "	mkdir(path, 0755);\n	return open(");
  assert.match(judgeFile("x.c", planted, ALLOWED).join(), /x\.c:7: open_it\(\) calls mkdir\(\)/);
});

test("an entry that nothing needs any more, or without a reason, fails", () => {
  const gone = FILE.replace("open(path, O_RDONLY)", "0");
  assert.match(judgeFile("x.c", gone, ALLOWED).join(), /open_it\(\) does not call open\(\) any more/);
  const bare: Allowed = { "x.c": { ...ALLOWED["x.c"], open_it: { calls: ["open"], because: "" } } };
  assert.match(judgeFile("x.c", FILE, bare).join(), /the reason is missing/);
});
