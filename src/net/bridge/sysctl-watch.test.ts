import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { SysctlWatch } from "./sysctl-watch.ts";

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "berth-sysctl-"));
});
after(() => rm(root, { recursive: true, force: true }));

/** Writes a value; false when the directory has gone. */
async function put(path: string, value: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), `${value}\n`);
}

test("another value is told, the wanted one, other files and forgotten devices are not", async () => {
  const [localnet, other] = ["net/ipv4/conf/br0/route_localnet", "net/ipv4/conf/br0/forwarding"];
  const gone = "net/ipv4/conf/br1/route_localnet";
  for (const path of [localnet, other, gone]) await put(path, "1");
  const told: string[] = [];
  let onTold = (): void => {};
  const watch = new SysctlWatch({
    root,
    log: (line) => assert.fail(line),
    onChange: (what) => {
      told.push(what);
      onTold();
    },
  });
  const next = (): Promise<void> => new Promise((resolve) => (onTold = resolve));
  watch.watch("br0", 3, [{ path: localnet, value: "1" }]);
  watch.watch("br1", 4, [{ path: gone, value: "1" }]);
  watch.forget("br1");
  // What is told comes in the order in which it was written: had one of the first been told, it would stand in front.
  for (const [path, value] of [
    [gone, "0"],
    [other, "0"],
    [localnet, "1"],
  ] as const)
    await put(path, value);
  const first = next();
  await put(localnet, "0");
  await first;
  assert.equal(told[0], "net.ipv4.conf.br0.route_localnet was set to 0");
  watch.close();
  await put(localnet, "2");
  assert.ok(
    told.every((what) => what === told[0]),
    told.join(),
  );
});

test("a device that cannot be watched is said to be so", async () => {
  const lines: string[] = [];
  const watch = new SysctlWatch({ root, log: (line) => lines.push(line), onChange: () => {} });
  watch.watch("br9", 9, [{ path: "net/ipv4/conf/br9/route_localnet", value: "1" }]);
  assert.match(lines[0] ?? "", /sysctls of br9 are not watched: .*ENOENT/);
  watch.close();
});
