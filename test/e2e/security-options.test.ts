// What the daemon's configuration and `--security-opt` say of a container's privileges: profiles of the user's own, the daemon's default
// one, no-new-privileges, unmasked paths.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

const NO_DEVICE = /mkdir: can't create directory '\/x': No such device/;

/** A profile that answers mkdir with an error of its own. */
const profile = (errnoRet: number): string =>
  JSON.stringify({
    defaultAction: "SCMP_ACT_ALLOW",
    archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }],
    syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet }],
  });

let daemon: TestDaemon;
let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-e2e-profiles-"));
  await writeFile(join(dir, "daemon.json"), profile(19));
  await writeFile(join(dir, "own.json"), profile(28));
  daemon = await TestDaemon.start({
    config: { "seccomp-profile": join(dir, "daemon.json"), "no-new-privileges": true },
  });
});
afterEach(() => daemon.removeContainers());
after(async () => {
  await daemon.close();
  await rm(dir, { recursive: true });
});

for (const client of clients)
  describe(client.name, () => {
    const run = async (...args: string[]): Promise<string> => {
      const { stdout, stderr } = await daemon.run(client, ["run", "--rm", ...args]);
      return `${stdout}${stderr}`.trim();
    };

    test("containers and what joins them have the daemon's profile unless they name another", async () => {
      assert.match(await run("busybox", "mkdir", "/x"), NO_DEVICE);
      const own = `seccomp=${join(dir, "own.json")}`;
      assert.match(await run("--security-opt", own, "busybox", "mkdir", "/x"), /No space left on device/);
      for (const name of ["builtin", "unconfined"])
        assert.equal(await run("--security-opt", `seccomp=${name}`, "busybox", "mkdir", "/x"), "", name);
      assert.equal(await run("--privileged", "busybox", "mkdir", "/x"), "", "privileged");
      assert.match(
        await run("--privileged", "--security-opt", own, "busybox", "mkdir", "/x"),
        /No space left/,
      );
      await daemon.run(client, ["run", "-d", "--name", "long", "busybox", "sleep", "1000"]);
      assert.match((await daemon.run(client, ["exec", "long", "mkdir", "/x"])).stderr, NO_DEVICE);
    });

    test("no-new-privileges is the daemon's default, and a container may say otherwise", async () => {
      const line = ["busybox", "grep", "NoNewPrivs", "/proc/self/status"];
      assert.equal(await run(...line), "NoNewPrivs:\t1");
      for (const option of ["no-new-privileges=false", "no-new-privileges:false"])
        assert.equal(await run("--security-opt", option, ...line), "NoNewPrivs:\t0", option);
    });

    test("info shows both", async () => {
      const { stdout } = await daemon.run(client, ["info", "-f", "{{json .SecurityOptions}}"]);
      const options = JSON.parse(stdout) as string[];
      assert.ok(options.includes(`name=seccomp,profile=${join(dir, "daemon.json")}`));
      assert.ok(options.includes("name=no-new-privileges"));
    });

    test("systempaths=unconfined masks nothing, and what no option is called is refused", async () => {
      const masked = ["busybox", "sh", "-c", "grep -c ' /proc/' /proc/self/mounts"];
      assert.notEqual(await run(...masked), "0");
      assert.equal(await run("--security-opt", "systempaths=unconfined", ...masked), "0");
      assert.match(await run("--security-opt", "a=b", "busybox", "true"), /invalid --security-opt 2: "a=b"/);
    });
  });
