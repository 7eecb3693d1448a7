import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parsePluginConfig } from "../../lib/plugin-protocol/config.ts";
import { PluginPaths } from "./context.ts";
import { hostPathOf } from "./host-path.ts";
import { initialSettings, type PluginRecord } from "./record.ts";

const dir = mkdtempSync(join(tmpdir(), "berth-host-path-"));
after(() => rmSync(dir, { recursive: true }));
const paths = new PluginPaths(dir, dir, { rootTarget: () => "", stageTarget: () => "" });

function recordOf(propagated: string): PluginRecord {
  const config = parsePluginConfig(JSON.stringify({ propagatedMount: propagated }));
  const manifest = { text: "", mediaType: "", layers: [] };
  const common = {
    version: 1,
    id: "p",
    name: "p:latest",
    reference: "",
    configText: "",
    isEnabled: true,
  } as const;
  return { ...common, config, manifest, layers: [], settings: initialSettings(config) };
}

test("a plugin's path is below what it propagates, or below its root, wherever it points", () => {
  const at = (path: string, propagated = "/mnt/state") => hostPathOf({ paths }, recordOf(propagated), path);
  assert.equal(at("/mnt/state/a"), join(dir, "plugins/p/propagated-mount/a"));
  assert.equal(at("/mnt/state"), join(dir, "plugins/p/propagated-mount"));
  assert.equal(at("/mnt/stateful"), join(dir, "plugins/p/rootfs/mnt/stateful"));
  assert.equal(at("/mnt/state/../../../../etc/passwd"), join(dir, "plugins/p/rootfs/etc/passwd"));
  assert.equal(at("/a//b/./c", ""), join(dir, "plugins/p/rootfs/a/b/c"));
  assert.equal(at("/run/docker/logging"), join(dir, "plugins/p/logging"));
});

test("a symbolic link on the way is refused", () => {
  mkdirSync(join(dir, "plugins/p/rootfs/real"), { recursive: true });
  symlinkSync("/etc", join(dir, "plugins/p/rootfs/link"));
  symlinkSync("/etc", join(dir, "plugins/p/rootfs/real/link"));
  for (const path of ["/link", "/link/passwd", "/real/link", "/real/../link"])
    assert.throws(() => hostPathOf({ paths }, recordOf(""), path), /in which there is a symbolic link/);
});
