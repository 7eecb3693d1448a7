// A container in a user namespace: who it is, what it owns, what it may. The real keel, the real kernel.

import assert from "node:assert/strict";
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync, chownSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { SysError } from "../../lib/errors.ts";
import { type IdMap, idMapTexts, invertIdMap } from "../../linux/idmap.ts";
import { host, inner, type ShimPlan } from "../../linux/ops.ts";
import { ALL_NAMESPACES, Bed, CAPS, CLONE, ENV, MS, readAll, demultiplex, type Run, skip } from "./_bed.ts";
import { openAttach } from "./client.ts";

const USER = 0x10000000;
const USERNS = 31;
const NETNS = 0;
const BASE = 300000;
const map: IdMap = {
  uids: [{ inside: 0, outside: BASE, size: 65536 }],
  gids: [{ inside: 0, outside: BASE + 1, size: 65536 }],
};
const maps = idMapTexts(map);
const caps = { bounding: CAPS, effective: CAPS, permitted: CAPS, inheritable: 0, ambient: 0 };

describe("a container in a user namespace", { skip }, () => {
  let bed: Bed;
  let layers: string;
  before(async () => {
    bed = await Bed.open();
    layers = join(bed.dir, "layers");
    mkdirSync(layers, { mode: 0o700 });
    bed.makeRoot(join(layers, "1"));
    mkdirSync(join(layers, "2"));
    writeFileSync(join(layers, "2/of-web"), "");
    chownSync(join(layers, "2/of-web"), 1000, 1001);
  });
  after(async () => {
    await bed.close();
  });

  let count = 0;
  function plan(script: string, change: Partial<ShimPlan> = {}): ShimPlan {
    const upper = join(bed.dir, `upper${++count}`);
    mkdirSync(upper);
    chownSync(upper, BASE, BASE + 1);
    mkdirSync(`${upper}.work`);
    const base = bed.makePlan({});
    return {
      ...base,
      cloneFlags: ALL_NAMESPACES & ~CLONE.net,
      joins: [
        { type: USER, reg: USERNS },
        { type: CLONE.net, reg: NETNS },
      ],
      outside: {
        rootUid: BASE,
        rootGid: BASE + 1,
        ops: [
          inner.idMapped({ path: layers, maps }),
          inner.root(
            { kind: "overlay", layersDir: layers, lower: ["2", "1"], upper, work: `${upper}.work` },
            bed.target,
          ),
          inner.mount("proc", "proc", "/proc", MS.nosuid | MS.nodev | MS.noexec),
          inner.mount("tmpfs", "tmpfs", "/dev", MS.nosuid, "mode=755"),
          inner.mount(
            "devpts",
            "devpts",
            "/dev/pts",
            MS.nosuid | MS.noexec,
            `newinstance,ptmxmode=0666,mode=0620,gid=${BASE + 1 + 5}`,
          ),
          inner.mount("mqueue", "mqueue", "/dev/mqueue", MS.nosuid),
          inner.mount("sysfs", "sysfs", "/sys", MS.nosuid | MS.rdonly),
          inner.device("/dev/null", "c", 1, 3, 0o666),
          inner.symlink("/proc/self/fd", "/dev/fd"),
          inner.symlink("/proc/self/fd/1", "/dev/stdout"),
          inner.mask("/proc/kcore"),
        ],
      },
      ops: [
        inner.oomScoreAdj(500),
        inner.rlimit(7, 100, 200),
        ...(change.isTty ? [inner.console()] : []),
        inner.pivot(),
        inner.hostname("mapped"),
        inner.sysctl("net/ipv4/ip_forward", "1"),
        inner.sysctl("kernel/shm_rmid_forced", "1"),
        inner.chdir("/made/here", { create: true }),
        inner.credentials("", [], caps),
        inner.barrier(),
        inner.exec(["sh", "-c", script], ENV),
      ],
      ...change,
    };
  }
  const namespaces = [host.usernsNew(USERNS, maps), host.netnsNew(NETNS, USERNS)];

  async function start(shimPlan: ShimPlan): Promise<Run> {
    return bed.adopt(shimPlan, (await bed.keel.run([...namespaces, host.shim(shimPlan)])).results.at(-1));
  }

  async function output(script: string, change: Partial<ShimPlan> = {}): Promise<string> {
    const run = await start(plan(script, change));
    const { stream } = await openAttach(run.socketPath, { stdout: true, stderr: true });
    const bytes = readAll(stream);
    await run.shim.start();
    const exit = await run.exit;
    run.shim.close();
    assert.notEqual(exit, "lost");
    const all = await bytes;
    const { stdout, stderr } = change.isTty ? { stdout: all, stderr: "" } : demultiplex(all);
    return `${stdout}${stderr}`;
  }

  test("is root inside and nobody of the host's outside", async () => {
    const run = await start(plan("exec sleep 100"));
    await run.shim.start();
    const status = readFileSync(`/proc/${run.pid}/status`, "utf8");
    assert.match(status, new RegExp(`^Uid:\\s+${BASE}\\s+${BASE}\\s`, "m"));
    assert.match(status, new RegExp(`^Gid:\\s+${BASE + 1}\\s+${BASE + 1}\\s`, "m"));
    assert.equal(readFileSync(`/proc/${run.pid}/oom_score_adj`, "utf8"), "500\n");
    assert.match(readFileSync(`/proc/${run.pid}/limits`, "utf8"), /Max open files\s+100\s+200\s/);
    await run.shim.signal(9);
    await run.exit;
  });

  test("sees the layers' owners, and owns what it makes", async () => {
    const text = await output(
      "id -u; pwd; stat -c '%n %u:%g' / /bin/busybox /of-web /made /dev /dev/null /dev/mqueue /dev/pts/ptmx; cat /proc/self/uid_map; " +
        "touch /new && chown 1000:1001 /new && stat -c '%u:%g' /new; echo $$",
    );
    const lines = text.trim().split("\n");
    assert.deepEqual(lines.slice(0, 10), [
      "0",
      "/made/here",
      "/ 0:0",
      "/bin/busybox 0:0",
      "/of-web 1000:1001",
      "/made 0:0",
      "/dev 0:0",
      "/dev/null 0:0",
      "/dev/mqueue 0:0",
      "/dev/pts/ptmx 0:0",
    ]);
    assert.match(lines[10] ?? "", new RegExp(`^\\s*0\\s+${BASE}\\s+65536$`));
    assert.deepEqual(lines.slice(11), ["1000:1001", "1"]);
    const upper = join(bed.dir, `upper${count}`);
    assert.equal(statSync(join(upper, "new")).uid, BASE + 1000);
    assert.equal(statSync(join(upper, "new")).gid, BASE + 1 + 1001);
    assert.equal(statSync(join(layers, "1/bin/busybox")).uid, 0, "the layer is as it was");
  });

  test("owns its namespaces and their settings", async () => {
    const text = await output(
      "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced; hostname; " +
        "ls -l /dev/stdout >/dev/null && echo said > /dev/stdout; true",
      { isTty: false },
    );
    assert.equal(text, "1\n1\nmapped\nsaid\n");
  });

  test("can do nothing to what is not mapped", async () => {
    const secret = join(bed.dir, "secret");
    writeFileSync(secret, "x", { mode: 0o600 });
    const p = plan("cat /secret; mknod /disk b 8 0; echo 1 > /proc/sys/kernel/panic; stat -c %u /secret");
    const outside = p.outside as NonNullable<ShimPlan["outside"]>;
    const withSecret = {
      ...p,
      outside: { ...outside, ops: [...outside.ops, inner.bind(secret, "/secret")] },
    };
    const run = await start(withSecret);
    const { stream } = await openAttach(run.socketPath, { stdout: true, stderr: true });
    const bytes = readAll(stream);
    await run.shim.start();
    await run.exit;
    run.shim.close();
    const { stdout, stderr } = demultiplex(await bytes);
    assert.match(
      String(stderr),
      /secret.*Permission denied[^]*mknod.*Operation not permitted[^]*panic.*Permission denied/,
    );
    assert.equal(String(stdout), "65534\n");
  });

  test("a bind shows other owners when it is id-mapped", async () => {
    const dir = join(bed.dir, "shared");
    mkdirSync(dir);
    writeFileSync(join(dir, "f"), "");
    chownSync(join(dir, "f"), 77, 78);
    const p = plan("stat -c '%u:%g' /shared/f; touch /shared/new");
    const outside = p.outside as NonNullable<ShimPlan["outside"]>;
    const bind = inner.bind(dir, "/shared", { idMap: { ...maps, isRecursive: false } });
    const run = await start({ ...p, outside: { ...outside, ops: [...outside.ops, bind] } });
    const { stream } = await openAttach(run.socketPath, { stdout: true, stderr: true });
    const bytes = readAll(stream);
    await run.shim.start();
    await run.exit;
    run.shim.close();
    assert.equal(String(demultiplex(await bytes).stdout), "77:78\n");
    assert.equal(lstatSync(join(dir, "f")).uid, 77);
  });

  test("has a terminal that is its own", async () => {
    const text = await output("tty; stat -c '%u %g' $(tty) /dev/console", { isTty: true });
    assert.match(text, /\/dev\/pts\/0\r\n0 5\r\n0 5\r\n/);
  });

  test("an exec is root inside, too", async () => {
    const run = await start(plan("exec sleep 100"));
    await run.shim.start();
    const { stream } = await bed.exec(
      run,
      [],
      { stdout: true, stderr: true },
      {
        ops: [
          inner.rlimit(7, 300, 400),
          inner.oomScoreAdj(7),
          inner.chdir("/"),
          inner.credentials("", [], caps),
          inner.exec(
            [
              "sh",
              "-c",
              "cat /proc/self/oom_score_adj; ulimit -Hn; id -u; id -g; echo x > /dev/stdout; touch /by-exec; stat -c %u /by-exec",
            ],
            ENV,
          ),
        ],
      },
    );
    const { stdout, stderr } = demultiplex(await readAll(stream as NonNullable<typeof stream>));
    assert.equal(`${stdout}${stderr}`, "7\n400\n0\n0\nx\n0\n");
    await run.shim.signal(9);
    await run.exit;
  });

  test("a program that ends at once does not take the process outside with it", async () => {
    for (let i = 0; i < 30; i++) assert.equal(await output("exit 0"), "");
  });

  test("what fails outside is told, and nothing stays", async () => {
    const p = plan("true");
    const outside = p.outside as NonNullable<ShimPlan["outside"]>;
    // Others mount on the same host: the bed's own mounts are looked at.
    const mounts = () =>
      readFileSync("/proc/self/mountinfo", "utf8")
        .split("\n")
        .filter((line) => line.includes(bed.dir));
    const before = mounts();
    const missing = join(bed.dir, "missing");
    await assert.rejects(
      start({ ...p, outside: { ...outside, ops: [...outside.ops, inner.bind(missing, "/x")] } }),
      (e) => e instanceof SysError && e.op === "bind" && e.path === missing,
    );
    assert.deepEqual(mounts(), before);
    assert.deepEqual(readdirSync(bed.target), []);
  });

  test("a session on its files has its ids and no more rights", async () => {
    const run = await start(plan("touch /mine; exec sleep 100"));
    await run.shim.start();
    await using session = await bed.keel.openFs({
      kind: "inside",
      path: `/proc/${run.pid}/root`,
      userns: `/proc/${run.pid}/ns/user`,
    });
    const { fs } = await import("../../linux/ops.ts");
    const [web] = await session.sync([fs.stat("/of-web")]);
    assert.deepEqual((web as number[]).slice(1, 3), [1000, 1001]);
    await session.sync([fs.mkdir("/put", { mode: 0o755, uid: 5, gid: 6, mtimeSec: 0, mtimeNsec: 0 })]);
    const put = statSync(join(bed.dir, `upper${count}`, "put"));
    assert.deepEqual([put.uid, put.gid], [BASE + 5, BASE + 1 + 6]);
    await run.shim.signal(9);
    await run.exit;
  });

  test("a session on its layers sees its ids through the inverse map", async () => {
    await output("touch /mine; chown 1000 /mine; rm /of-web");
    const upper = join(bed.dir, `upper${count}`);
    const { fs } = await import("../../linux/ops.ts");
    await using session = await bed.keel.openFs({
      kind: "dir",
      path: upper,
      idMapped: [{ path: upper, maps: idMapTexts(invertIdMap(map)) }],
    });
    const [mine, gone] = await session.sync([fs.stat("/mine"), fs.stat("/of-web")]);
    assert.equal((mine as number[])[1], 1000);
    assert.equal((gone as number[])[6], 0, "a whiteout");
  });
});

describe("usernsNew", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  test("says which map the kernel refused", async () => {
    await assert.rejects(
      bed.keel.run([host.usernsNew(0, { uids: "0 100000 10\n5 200000 10\n", gids: "0 1 1\n" })]),
      (e) => e instanceof SysError && e.op === "write" && e.path === "uid_map",
    );
  });

  test("says which program refused it", async () => {
    await assert.rejects(
      bed.keel.run([host.usernsNew(0, maps, { uid: "/bin/false", gid: "/bin/true" })]),
      (e) => e instanceof SysError && e.path === "/bin/false" && /subuid/.test(e.message),
    );
  });
});
