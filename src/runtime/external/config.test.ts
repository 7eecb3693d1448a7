import assert from "node:assert/strict";
import { test } from "node:test";
import { inner } from "../../linux/ops.ts";
import { generateSpec } from "../spec/generate.ts";
import { fakeSpecHost } from "../spec/host-fake.ts";
import type { SpecInput } from "../spec/input.ts";
import type { OciSpec } from "../spec/oci.ts";
import { ociJson, plainProcess, planBundle } from "./config.ts";

const specOf = (input: Partial<SpecInput> = {}): OciSpec =>
  generateSpec({ id: "c0ffee", args: ["sleep", "1"], env: [], ...input }, fakeSpecHost()).spec;

const bundle = (spec: OciSpec, more: Partial<Parameters<typeof planBundle>[1]> = {}) => {
  const planned = planBundle(spec, {
    dir: "/run/b/c/x/bundle",
    rootPath: "/run/b/root",
    stageTarget: "/run/b/stage",
    ...more,
  });
  return { ...planned, config: JSON.parse(planned.config) as OciSpec };
};

test("a bundle is in the standard's words: no names, no numbers that stand for any, nothing of later versions", () => {
  const { config, netnsFile, parts } = bundle(specOf({ user: "web", groups: ["audio"] }));
  assert.equal(config.ociVersion, "1.0.2");
  assert.deepEqual(Object.keys(config.process?.user ?? {}).sort(), ["gid", "uid"]);
  assert.equal(config.root?.path, "/run/b/root");
  assert.ok((config.linux?.resources?.devices ?? []).length > 5);
  for (const rule of config.linux?.resources?.devices ?? [])
    assert.ok((rule.major ?? 0) >= 0 && (rule.minor ?? 0) >= 0, JSON.stringify(rule));
  assert.doesNotMatch(JSON.stringify(config.linux?.seccomp), /"bits"/);
  assert.deepEqual([netnsFile, parts], ["", []]);
});

test("a network namespace in a register is bound into the bundle, one with a path is named", () => {
  const network = (netns: number | string) => {
    const { config, netnsFile } = bundle(specOf(), { netns });
    return [config.linux?.namespaces?.find((n) => n.type === "network")?.path, netnsFile];
  };
  assert.deepEqual(network(3), ["/run/b/c/x/bundle/netns", "netns"]);
  assert.deepEqual(network("/proc/7/ns/net"), ["/proc/7/ns/net", ""]);
});

test("parts of volumes and images, and another container's /dev/shm, come from the bundle", () => {
  const binds = [{ source: "/vol", destination: "/v", subpath: "a/b", readonly: true }];
  const images = [{ destination: "/i", layers: ["/l/2", "/l/1"], subpath: "etc" }];
  const ipc = { kind: "path", path: "/proc/7/ns/ipc" } as const;
  const spec = specOf({ binds, images, namespaces: { ipc } });
  const { config, parts } = bundle(spec, { sharedShm: "/proc/7/ns/mnt" });
  const at = (destination: string) => config.mounts?.find((m) => m.destination === destination);
  assert.deepEqual(at("/v")?.source, "/run/b/c/x/bundle/part0");
  assert.deepEqual(at("/v")?.options, ["rbind", "rro", "rprivate"]);
  assert.deepEqual(at("/i"), {
    destination: "/i",
    type: "bind",
    source: "/run/b/c/x/bundle/part1",
    options: ["bind", "ro"],
  });
  assert.equal(at("/dev/shm")?.source, "/run/b/c/x/bundle/part2");
  assert.deepEqual(parts[0], inner.bind("/vol", "/part0", { recursive: true, sub: "a/b" }));
  assert.deepEqual(parts.at(-1), inner.bindFrom("/proc/7/ns/mnt", "/dev/shm", "/part2"));
  assert.equal(parts.length, 4);
});

test("limits without an end are written as the kernel's number, and lowered where the daemon may not raise them", () => {
  const process = specOf({ ulimits: [{ name: "nofile", soft: -1, hard: -1 }] }).process;
  assert.ok(process);
  const mighty = fakeSpecHost();
  assert.match(
    ociJson(plainProcess(process, mighty)),
    /"soft":18446744073709551615,"hard":18446744073709551615/,
  );
  const weak = fakeSpecHost({ boundingMask: 0, hardLimit: () => 20_000, oomScoreAdj: 5 });
  const { rlimits, oomScoreAdj } = plainProcess(process, weak);
  assert.deepEqual(rlimits, [{ type: "RLIMIT_NOFILE", soft: 20_000, hard: 20_000 }]);
  assert.equal(oomScoreAdj, 5);
});
