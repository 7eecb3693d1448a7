// What is run in the test machine.
import { existsSync, globSync } from "node:fs";
import { basename, join } from "node:path";

/** The security module that the machine is booted with. */
export type Machine = "apparmor" | "selinux";

export interface Suite {
  machine: Machine;
  name: string;
  argv: string[];
  env: Record<string, string>;
  timeoutMs: number;
}

/** How much slower than this machine the emulated one may be, for the tests' own limits. */
const SLOWNESS = 10;
const MINUTE = 60_000;

/** Test files whose claims depend on the cgroup version, on security modules or on the kernel as such. */
const TESTS = [
  "src/linux/cgroupfs/*.test.ts",
  "src/linux/keel.test.ts",
  "src/runtime/cgroup/*.test.ts",
  "src/runtime/apparmor/*.test.ts",
  "src/runtime/shim/*.test.ts",
  "test/vm/*.test.ts",
  "test/vm/selinux/*.test.ts",
  "test/e2e/checkpoint.test.ts",
  "test/e2e/container-defaults.test.ts",
  "test/e2e/exec.test.ts",
  "test/e2e/external-runtime.test.ts",
  "test/e2e/health.test.ts",
  "test/e2e/ipvlan.test.ts",
  "test/e2e/isolation.test.ts",
  "test/e2e/lifecycle.test.ts",
  "test/e2e/runtime-criu.test.ts",
  "test/e2e/runtime-netdev.test.ts",
  "test/e2e/runtime-systemd.test.ts",
  "test/e2e/systemd-driver.test.ts",
  "test/e2e/stats.test.ts",
  "test/e2e/update.test.ts",
  "test/e2e/userns.test.ts",
];

/** Returns the suites: those of `files` (paths or patterns of test files) where any are given, else all. */
export function suitesOf(root: string, files: readonly string[]): Suite[] {
  const tests = (files.length > 0 ? files : TESTS).flatMap((pattern) =>
    globSync(pattern, { cwd: root }).sort(),
  );
  const isWhole = files.length === 0;
  return [...(isWhole ? nativeSuites(root) : []), ...tests.map((file) => testSuite(file))];
}

function testSuite(file: string): Suite {
  return {
    machine: file.startsWith("test/vm/selinux/") ? "selinux" : "apparmor",
    name: file,
    argv: ["tools/bun", "test", "--timeout", String(180_000 * SLOWNESS), `./${file}`],
    env: { BERTH_TEST_SLOWNESS: String(SLOWNESS) },
    timeoutMs: 40 * MINUTE,
  };
}

/** The C tests as they were built here; without the fuzz target, which needs another compiler. */
function nativeSuites(root: string): Suite[] {
  return globSync("native/test/*_test.c", { cwd: root })
    .sort()
    .map((source) => basename(source, ".c"))
    .filter((name) => existsSync(join(root, "build/native-test", name)))
    .map((name) => ({
      machine: "apparmor" as const,
      name: `native/test/${name}`,
      argv: [join(root, "build/native-test", name)],
      env: {},
      timeoutMs: 5 * MINUTE,
    }));
}
