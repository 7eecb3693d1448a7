// The page is current, and says of nothing that it is there which is not.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");

test("docs/coverage.md is current", () => {
  const said = execFileSync(process.execPath, ["tools/coverage.ts", "--check"], {
    cwd: root,
    encoding: "utf8",
  });
  assert.match(said, /^coverage: \d{3} commands, \d{3} operations, up to date\n$/);
});

test("what is missing shows", () => {
  const page = readFileSync(join(root, "docs/coverage.md"), "utf8");
  assert.match(page, /\| `container run`, `run` \| done \|/);
  assert.match(page, /\| `--bridge` \| `bridge` \| br0 \| taken \|/);
  assert.match(page, /\| `--iptables` \| `iptables` \| false \| refused: iptables: false: /);
  assert.doesNotMatch(page, /\| missing \|/);
  assert.match(page, /\| `trust sign` \| refused, with the reason \|/);
  assert.match(
    page,
    /\| ContainerCreate \| POST \| \/containers\/create \|.*\| done \| api-description\.test\.ts \|/,
  );
  assert.match(page, /\| SwarmInit \| POST \| \/swarm\/init \|.*\| 503, not part of a swarm \|/);
});
