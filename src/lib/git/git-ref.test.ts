import assert from "node:assert/strict";
import { test } from "node:test";
import { isGitContext, isGitSource, parseGitRef } from "./git-ref.ts";

test("isGitSource tells repositories from files and downloads", () => {
  for (const yes of [
    "https://h/x.git",
    "https://h/x.git#main:dir",
    "http://h/x.git?branch=a",
    "git://h/x",
    "git@github.com:foo/bar.git",
    "ssh://git@h/x",
  ])
    assert.equal(isGitSource(yes), true, yes);
  for (const no of ["https://h/x.tar.gz", "./x.git", "x.git", "github.com/foo/bar", "https://h/x.git/info"])
    assert.equal(isGitSource(no), false, no);
  assert.equal(isGitContext("github.com/foo/bar"), true);
});

test("parseGitRef takes fragments and queries", () => {
  const plain = { ref: "", subdir: "", checksum: "", hasSubmodules: true };
  assert.deepEqual(parseGitRef("https://h/x.git"), { ...plain, remote: "https://h/x.git" });
  assert.deepEqual(parseGitRef("https://h/x.git#a/b:c/d"), {
    ...plain,
    remote: "https://h/x.git",
    ref: "a/b",
    subdir: "c/d",
  });
  assert.deepEqual(parseGitRef("https://h/x.git#:c"), { ...plain, remote: "https://h/x.git", subdir: "c" });
  assert.deepEqual(parseGitRef("git@h:x?tag=v1&subdir=s&keep-git-dir&submodules=0&commit=abc"), {
    remote: "git@h:x",
    ref: "refs/tags/v1",
    subdir: "s",
    checksum: "abc",
    hasSubmodules: false,
    keepsGitDir: true,
  });
  assert.equal(parseGitRef("github.com/a/b").remote, "https://github.com/a/b");
  assert.throws(() => parseGitRef("https://h/x.git?nope=1"), /unexpected query "nope"/);
  assert.throws(() => parseGitRef("https://h/x.git?branch=a#b"), /ref conflicts/);
  assert.throws(() => parseGitRef("https://h/x.git#--upload-pack=evil"), /invalid git reference/);
});
