import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Fault } from "../../../lib/errors.ts";
import { OPCODES } from "../../../linux/ops.ts";
import type { OciSpec } from "../../spec/oci.ts";
import { errorsIn } from "./call.ts";
import { commonOptions, type CriuFlags } from "./flags.ts";
import { criuAnswer, criuRequest } from "./messages.ts";
import { mountPointOps, namesAtRestore } from "./mounts.ts";
import { namespacesToJoin } from "./namespaces.ts";
import { loadStdio, saveStdio } from "./stdio.ts";

const dir = mkdtempSync(join(tmpdir(), "criu-"));
after(() => rmSync(dir, { recursive: true, force: true }));

const FLAGS: CriuFlags = {
  "image-path": "",
  "work-path": "",
  "tcp-established": false,
  "ext-unix-sk": false,
  "shell-job": false,
  "lazy-pages": false,
  "file-locks": false,
  "manage-cgroups-mode": "",
  "empty-ns": [],
  "auto-dedup": false,
};
const SPEC: OciSpec = { ociVersion: "1.2.0" };

test("errors of a log are quoted with the lines before them; what criu does without is none", () => {
  const probe =
    "(00.02) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted";
  const before = Array.from({ length: 9 }, (_, i) => `(00.1${i}) step ${i}`);
  const log = [
    probe,
    ...before,
    "(00.20) Error (criu/x.c:1): it: Broken",
    "(00.21) Error (criu/y.c:2): FAILED",
    "",
  ];
  const { quoted, first } = errorsIn(log.join("\n"));
  assert.equal(first, "it: Broken");
  assert.deepEqual(
    quoted,
    [7, 8, 9, 10, 11, 12].map((n) => `${n}: ${log[n - 1]}`),
  );
  assert.deepEqual(errorsIn("fine\n"), { quoted: [], first: undefined });
});

test("the cgroups mode `ignore`, which is 0, and stdin, which is descriptor 0, are said", () => {
  const options = commonOptions({ ...FLAGS, "manage-cgroups-mode": "ignore" }, SPEC, "log");
  const bytes = criuRequest.encode({
    type: 2,
    options: { ...options, inheritedFds: [{ key: "pipe:[1]", fd: 0 }] },
  });
  const has = (part: number[]) => Buffer.from(bytes).includes(Buffer.from(part));
  assert.ok(has([0x90, 0x02, 0])); // field 34, number
  assert.ok(has([...Buffer.from("pipe:[1]"), 0x10, 0]));
});

test("criu's own options come from the file that runc reads, unless the container says otherwise", () => {
  const fileOf = (annotations: Record<string, string>) =>
    commonOptions(FLAGS, { ...SPEC, annotations }, "log").configFile;
  assert.equal(fileOf({}), "/etc/criu/runc.conf");
  assert.equal(fileOf({ "org.criu.config": "/my.conf" }), "/my.conf");
  assert.equal(fileOf({ "org.criu.config": "" }), undefined);
});

test("external mounts have their destinations as names, and stand for their sources", () => {
  const spec: OciSpec = {
    ...SPEC,
    mounts: [
      { destination: "/proc", type: "proc" },
      { destination: "/data/../etc/", type: "bind", source: "/srv/etc" },
      { destination: "/opt", source: "/srv/opt", options: ["rbind"] },
      { destination: "/opt", options: ["bind", "remount", "ro"] },
      { destination: "/sys/fs/cgroup", type: "cgroup" },
    ],
  };
  const view = { version: 1, name: "memory", data: "memory", dir: "/sys/fs/cgroup/memory/x" } as const;
  const names = new Map(namesAtRestore(spec, [view]).map(({ key, val }) => [key, val]));
  assert.equal(names.get("/etc"), "/srv/etc");
  assert.equal(names.get("/opt"), "/srv/opt");
  assert.equal(names.get("/dev/null"), "/dev/null");
  assert.equal(names.get("/sys/fs/cgroup/memory"), view.dir);
  assert.ok(!names.has("/proc"));
  const own: OciSpec = { ...spec, linux: { namespaces: [{ type: "cgroup" }] } };
  assert.ok(!namesAtRestore(own, [view]).some(({ key }) => key.startsWith("/sys/fs/cgroup")));
  assert.deepEqual(
    mountPointOps(spec).map(([code]) => code),
    [OPCODES.mount, OPCODES.bind, OPCODES.bind, OPCODES.mount],
  );
});

test("namespaces of others are given by descriptor or joined by path; a cgroup namespace is refused", () => {
  const joins = namespacesToJoin({
    ...SPEC,
    linux: {
      namespaces: [
        { type: "network", path: "/run/n" },
        { type: "ipc", path: "/run/i" },
        { type: "uts" },
        { type: "mount" },
      ],
    },
  });
  assert.deepEqual(joins, {
    opened: ["/run/n"],
    named: [{ key: "extRootNetNS", path: "/run/n" }],
    joined: [{ ns: "ipc", file: "/run/i" }],
  });
  const cgroup: OciSpec = {
    ...SPEC,
    linux: { namespaces: [{ type: "cgroup", path: "/run/c" }, { type: "mount" }] },
  };
  assert.throws(() => namespacesToJoin(cgroup), /cgroup namespace/);
  assert.throws(
    () => namespacesToJoin({ ...cgroup, linux: { namespaces: [{ type: "pid" }] } }),
    /mount namespace/,
  );
});

test("only pipes of stdio are replaced at a restore", () => {
  writeFileSync(join(dir, "descriptors.json"), '["/dev/null","pipe:[7]","pipe:[8]"]');
  assert.deepEqual(loadStdio(dir), [
    { key: "pipe:[7]", fd: 1 },
    { key: "pipe:[8]", fd: 2 },
  ]);
  saveStdio(dir, process.pid, []);
  const saved = JSON.parse(readFileSync(join(dir, "descriptors.json"), "utf8")) as string[];
  assert.equal(saved.length, 3);
});

test("an answer is read as criu writes it; of what the fuzzer found each is read or refused", () => {
  const corpus = join(import.meta.dirname, "../../../../native/test/corpus/criu");
  const seed = (name: string) => readFileSync(join(corpus, name));
  assert.deepEqual(criuAnswer.decode(seed("version")).version, { major: 4, minor: 2 });
  assert.deepEqual(criuAnswer.decode(seed("features")).features, { memoryTracking: true, lazyPages: true });
  for (const name of readdirSync(corpus)) {
    try {
      criuAnswer.decode(seed(name));
    } catch (error) {
      assert.ok(error instanceof Fault, `${name}: ${String(error)}`);
    }
  }
});
