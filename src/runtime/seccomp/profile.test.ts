import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import type { OciSeccomp } from "../spec/oci.ts";
import { isKernelAtLeast, parseProfile, resolveProfile } from "./profile.ts";

const target = { arch: "amd64", capabilities: ["CAP_SYS_PTRACE"], kernel: "5.10.0" };
const names = (o: OciSeccomp | undefined) => o?.syscalls?.flatMap((r) => r.names);

test("resolveProfile applies includes and excludes by capability, architecture and kernel", () => {
  const profile = parseProfile(
    JSON.stringify({
      defaultAction: "SCMP_ACT_ERRNO",
      archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }],
      syscalls: [
        { names: ["a"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_PTRACE"] } },
        { names: ["b"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_PTRACE", "CAP_SYSLOG"] } },
        { names: ["c"], action: "SCMP_ACT_ALLOW", excludes: { caps: ["CAP_SYS_PTRACE"] } },
        { names: ["d"], action: "SCMP_ACT_ALLOW", includes: { arches: ["amd64"] } },
        { names: ["e"], action: "SCMP_ACT_ALLOW", excludes: { arches: ["amd64"] } },
        { names: ["f"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "5.10" } },
        { names: ["g"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "5.11" } },
        { name: "h", action: "SCMP_ACT_ALLOW", excludes: { minKernel: "4.8" } },
        { name: "i", action: "SCMP_ACT_TRAP" },
      ],
    }),
  );
  const resolved = resolveProfile(profile, target);
  assert.deepEqual(names(resolved), ["a", "d", "f", "i"]);
  assert.deepEqual(resolved?.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
});

test("resolveProfile takes an empty profile for none", () => {
  assert.equal(resolveProfile(parseProfile("{}"), target), undefined);
});

test("parseProfile and resolveProfile refuse contradictions with Docker's texts", () => {
  const both = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ name: "a", names: ["b"], action: "SCMP_ACT_ALLOW" }],
  };
  assert.throws(() => parseProfile(JSON.stringify(both)), /both 'name' and 'names' are specified/);
  const arches = {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86"],
    archMap: [{ architecture: "SCMP_ARCH_X86_64" }],
    syscalls: [],
  };
  assert.throws(
    () => resolveProfile(parseProfile(JSON.stringify(arches)), target),
    /both 'architectures' and 'archMap'/,
  );
  assert.throws(() => parseProfile("{"), /decoding seccomp profile failed/i);
});

test("parseProfile throws nothing but Fault", () => {
  const json = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .record({ defaultAction: fc.anything(), syscalls: fc.anything(), archMap: fc.anything() })
      .map((o) => JSON.stringify(o) ?? ""),
    fc
      .array(
        fc.record({
          names: fc.anything(),
          action: fc.anything(),
          args: fc.anything(),
          includes: fc.anything(),
        }),
      )
      .map((syscalls) => JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls })),
  );
  fc.assert(
    fc.property(json, (text) => {
      try {
        resolveProfile(parseProfile(text), target);
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test("isKernelAtLeast compares major and minor numbers", () => {
  assert.ok(isKernelAtLeast("4.19.0-21-amd64", "4.8"));
  assert.ok(!isKernelAtLeast("4.7.9", "4.8"));
  assert.ok(isKernelAtLeast("10.0", "9.99"));
});
