// Further processes in a running container.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { SysError } from "../../lib/errors.ts";
import { inner } from "../../linux/ops.ts";
import {
  Bed,
  CAPS,
  demultiplex,
  ENV,
  isAlive,
  readAll,
  readUntil,
  type Run,
  skip,
  untilGone,
} from "./_bed.ts";

const ENOENT = 2;
const ESRCH = 3;
const EEXIST = 17;

async function untilTold(run: Run, execId: string): Promise<number> {
  for (let i = 0; i < 500; i++) {
    const exit = run.execExits.find((e) => e.execId === execId);
    if (exit !== undefined) return exit.exitCode;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`no exit of ${execId}`);
}

describe("an exec", { skip }, () => {
  let bed: Bed;
  let run: Run;
  before(async () => {
    bed = await Bed.open();
    run = await bed.create({ argv: ["sleep", "1000"], settings: [inner.hostname("inside")] });
    await run.shim.start();
  });
  after(async () => {
    await run.shim.signal(9);
    await run.exit;
    await bed.close();
  });

  const both = { stdout: true, stderr: true };

  test("runs in the container's namespaces and root", async () => {
    const { pid, stream } = await bed.exec(
      run,
      ["sh", "-c", "hostname; tr '\\0' ' ' </proc/1/cmdline; echo; read line"],
      { ...both, stdin: true },
      { execId: "ns" },
    );
    for (const name of ["mnt", "uts", "ipc", "pid", "net", "cgroup"])
      assert.equal(readlinkSync(`/proc/${pid}/ns/${name}`), readlinkSync(`/proc/${run.pid}/ns/${name}`));
    assert.equal(
      Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]),
      run.shimPid,
    );
    stream?.end("go on\n");
    const { stdout } = demultiplex(await readAll(stream as NonNullable<typeof stream>));
    assert.equal(String(stdout), "inside\nsleep 1000 \n");
    assert.equal(await untilTold(run, "ns"), 0);
  });

  test("reports its exit code, and a signal as 128 more", async () => {
    await bed.exec(run, ["sh", "-c", "exit 42"], {}, { execId: "code" });
    assert.equal(await untilTold(run, "code"), 42);
    await bed.exec(run, ["sh", "-c", "kill -9 $$"], {}, { execId: "killed" });
    assert.equal(await untilTold(run, "killed"), 137);
  });

  test("passes binary stdin through to the end", async () => {
    const data = randomBytes(700_001);
    const { stream } = await bed.exec(run, ["cat"], { stdin: true, stdout: true });
    const output = readAll(stream as NonNullable<typeof stream>);
    stream?.end(data);
    assert.ok(demultiplex(await output).stdout.equals(data));
  });

  test("takes the user, directory and capabilities of its own plan", async () => {
    const { stream } = await bed.exec(run, ["sh"], both, {
      ops: [
        inner.chdir("/home/web"),
        inner.credentials("web", [], {
          bounding: CAPS,
          effective: CAPS,
          permitted: CAPS,
          inheritable: 0,
          ambient: 0,
        }),
        inner.noNewPrivs(),
        inner.exec(["sh", "-c", "pwd; id -un; echo $HOME; grep CapInh /proc/self/status"], ENV),
      ],
    });
    const { stdout } = demultiplex(await readAll(stream as NonNullable<typeof stream>));
    assert.equal(String(stdout), "/home/web\nweb\n/home/web\nCapInh:\t0000000000000000\n");
  });

  test("has a terminal when asked, and can be resized", async () => {
    const { stream } = await bed.exec(
      run,
      ["sh"],
      { stdin: true, stdout: true },
      { execId: "tty", isTty: true, hasStdin: true, rows: 20, columns: 70 },
    );
    const terminal = stream as NonNullable<typeof stream>;
    terminal.write("stty size; tty\n");
    await readUntil(terminal, (text) => /20 70\r\n\/dev\/pts\/\d/.test(text));
    await run.shim.resize("tty", 44, 111);
    terminal.write("stty size\n");
    await readUntil(terminal, (text) => text.includes("44 111"));
    terminal.write("exit 3\n");
    await readAll(terminal);
    assert.equal(await untilTold(run, "tty"), 3);
  });

  test("fails in Docker's words, and leaves nothing behind", async () => {
    const error = await bed.exec(run, ["nope"], both).catch((e: unknown) => e);
    assert.ok(error instanceof SysError);
    assert.deepEqual(
      [error.op, error.errno, error.text],
      ["exec", ENOENT, 'exec: "nope": executable file not found in $PATH'],
    );
    const user = await bed
      .exec(run, ["id"], both, {
        ops: [
          inner.credentials("nobody", [], {
            bounding: 0,
            effective: 0,
            permitted: 0,
            inheritable: 0,
            ambient: 0,
          }),
          inner.exec(["id"], ENV),
        ],
      })
      .catch((e: unknown) => e);
    assert.ok(user instanceof SysError && user.text.startsWith("unable to find user nobody"));
    const mount = await bed
      .exec(run, ["id"], both, { ops: [inner.mask("/etc"), inner.exec(["id"], ENV)] })
      .catch((e: unknown) => e);
    assert.ok(mount instanceof SysError && mount.op === "protocol");
    assert.equal((await run.shim.state()).status, "running");
  });

  test("is unique by its id while it runs", async () => {
    const { pid } = await bed.exec(run, ["sleep", "100"], {}, { execId: "twice" });
    const error = await bed.exec(run, ["true"], {}, { execId: "twice" }).catch((e: unknown) => e);
    assert.ok(error instanceof SysError && error.errno === EEXIST);
    process.kill(pid, "SIGKILL");
    assert.equal(await untilTold(run, "twice"), 137);
    await bed.exec(run, ["true"], {}, { execId: "twice" });
  });

  test("runs beside sixty others, again and again", async () => {
    for (let round = 0; round < 5; round++) {
      const texts = await Promise.all(
        Array.from({ length: 60 }, async (_, i) => {
          const options = { execId: `many${round}.${i}` };
          const { stream } = await bed.exec(run, ["sh", "-c", `echo ${i}; exit ${i}`], both, options);
          return String(demultiplex(await readAll(stream as NonNullable<typeof stream>)).stdout);
        }),
      );
      assert.deepEqual(
        texts,
        Array.from({ length: 60 }, (_, i) => `${i}\n`),
      );
      for (let i = 0; i < 60; i++) assert.equal(await untilTold(run, `many${round}.${i}`), i);
    }
  });

  test("is told of after its output was delivered, although others hold its streams", async () => {
    const { stream } = await bed.exec(run, ["sh", "-c", "sleep 1000 & echo said"], both, {
      execId: "holder",
    });
    const output = readAll(stream as NonNullable<typeof stream>);
    assert.equal(await untilTold(run, "holder"), 0);
    assert.equal(String(demultiplex(await output).stdout), "said\n");
  });

  test("is refused before the start and after the end", async () => {
    const other = await bed.create({ argv: ["sleep", "1000"] });
    const early = await bed.exec(other, ["true"], {}).catch((e: unknown) => e);
    assert.ok(early instanceof SysError && early.errno === ESRCH && /not started/.test(early.text));
    await other.shim.start();
    await other.shim.signal(9);
    await other.exit;
    const late = await bed.exec(other, ["true"], {}).catch((e: unknown) => e);
    assert.ok(late instanceof Error);
  });

  test("dies with the container, and its exit is told before the container's", async () => {
    const other = await bed.create({ argv: ["sleep", "1000"] });
    await other.shim.start();
    const { pid, stream } = await bed.exec(other, ["sleep", "1000"], both, { execId: "inner" });
    const output = readAll(stream as NonNullable<typeof stream>);
    await other.shim.signal(9);
    const exit = await other.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 137);
    assert.deepEqual(other.execExits, [{ execId: "inner", exitCode: 137 }]);
    await output;
    await untilGone(pid);
    assert.ok(!isAlive(pid));
  });
});
