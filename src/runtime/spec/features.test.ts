import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMountOptions } from "../../linux/mount-flags.ts";
import { decodeSpec } from "./bundle/parse.ts";
import { features } from "./features.ts";

const everything = {
  hasSelinux: () => true,
  hasResctrl: () => true,
  hasNamespaceType: () => true,
  isOwnNamespace: () => false,
};

test("what the document names is taken by the validator and the parsers", () => {
  const { linux, ...f } = features();
  const take = (more: object, ociVersion = "1.2.1") =>
    decodeSpec(
      { ociVersion, root: { path: "/r" }, process: { cwd: "/", args: ["x"] }, ...more },
      { facts: everything },
    ).warnings;
  assert.deepEqual([...take({}, f.ociVersionMin), ...take({}, f.ociVersionMax)], []);
  const hooks = Object.fromEntries(f.hooks.map((name) => [name, [{ path: "/hook" }]]));
  const { spec } = decodeSpec(
    { ociVersion: "1.2.1", root: { path: "/r" }, process: { cwd: "/", args: ["x"] }, hooks },
    { facts: everything },
  );
  assert.deepEqual(Object.keys(spec.hooks ?? {}).sort(), [...f.hooks].sort());
  for (const option of f.mountOptions) assert.deepEqual(parseMountOptions([option]).data, [], option);
  assert.deepEqual(parseMountOptions(["size=4k"]).data, ["size=4k"]);
  assert.deepEqual(
    take({ process: { cwd: "/", args: ["x"], capabilities: { bounding: linux.capabilities } } }),
    [],
  );
  const namespaces = linux.namespaces.map((type) => ({ type }));
  const ids = [{ containerID: 0, hostID: 1, size: 1 }];
  take({ linux: { namespaces, uidMappings: ids, gidMappings: ids } });
  const { actions, operators, archs, knownFlags } = linux.seccomp;
  const args = operators.map((op) => ({ index: 0, value: 0, op }));
  const syscalls = actions.map((action) => ({ names: ["mkdir"], action, args }));
  const seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls, architectures: archs, flags: knownFlags };
  take({ linux: { seccomp: { ...seccomp, listenerPath: "/s" } } });
  for (const mode of linux.memoryPolicy.modes) {
    const nodes = mode === "MPOL_DEFAULT" || mode === "MPOL_LOCAL" ? "" : "0";
    take({ linux: { memoryPolicy: { mode, nodes, flags: linux.memoryPolicy.flags } } });
  }
});
