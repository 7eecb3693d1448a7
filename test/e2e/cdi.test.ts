// CDI devices: what a vendor's file says is in containers and build steps that ask for the device, and nowhere else.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

/** Two directories, as /etc/cdi and /var/run/cdi are. */
let dir = "";
let daemon: TestDaemon;

const SPEC = {
  cdiVersion: "0.6.0",
  kind: "vendor.com/dev",
  containerEdits: { env: ["VENDOR=here"] },
  devices: [
    {
      name: "null",
      containerEdits: {
        env: ["DEVICE=null"],
        deviceNodes: [
          { path: "/dev/cdi/null", hostPath: "/dev/null" },
          // Numbers that no container may use otherwise, whether this kernel has a driver for them or not.
          { path: "/dev/cdi/open", type: "c", major: 10, minor: 237 },
          { path: "/dev/cdi/other", type: "c", major: 10, minor: 238, permissions: "m" },
        ],
        mounts: [{ hostPath: "", containerPath: "/opt/vendor", options: ["ro", "bind"] }],
      },
    },
    {
      name: "hooked",
      containerEdits: {
        hooks: [
          { hookName: "createContainer", path: "/bin/sh", args: ["sh", "-c", "cat > by-create"] },
          { hookName: "startContainer", path: "/bin/sh", args: ["sh", "-c", "cat > /by-start"] },
        ],
      },
    },
    {
      name: "outside",
      containerEdits: { hooks: [{ hookName: "poststop", path: "/bin/true" }] },
    },
    { name: "gone", containerEdits: { deviceNodes: [{ path: "/dev/no-such-device" }] } },
    {
      name: "free",
      annotations: { "org.mobyproject.buildkit.device.autoallow": "true" },
      containerEdits: { env: ["FREE=1"] },
    },
  ],
};

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-e2e-cdi-"));
  await mkdir(join(dir, "vendor"));
  await writeFile(join(dir, "vendor/file"), "of the vendor\n");
  const text = JSON.stringify(SPEC).replace('"hostPath":""', `"hostPath":"${join(dir, "vendor")}"`);
  await mkdir(join(dir, "etc"));
  await writeFile(join(dir, "etc/vendor.json"), text);
  daemon = await TestDaemon.start({ config: { "cdi-spec-dirs": [join(dir, "etc"), join(dir, "run")] } });
});
afterEach(() => daemon.removeContainers());
after(async () => {
  await daemon.close();
  await rm(dir, { recursive: true, force: true });
});

for (const client of clients)
  describe(`${client.name}: CDI devices`, () => {
    const run = (device: string, ...command: string[]) =>
      daemon.run(client, ["run", "--rm", `--device=${device}`, "busybox", ...command]);

    test("nodes, rights, variables and mounts are there for who asks for the device", async () => {
      const looks =
        "echo $VENDOR $DEVICE; echo x > /dev/cdi/null && cat /dev/cdi/null /opt/vendor/file; " +
        "cat /dev/cdi/open; cat /dev/cdi/other; touch /opt/vendor/x";
      const { stdout, stderr } = await run("vendor.com/dev=null", "sh", "-c", looks);
      assert.equal(stdout, "here null\nof the vendor\n");
      assert.doesNotMatch(stderr, /cdi\/open.*not permitted/);
      assert.match(stderr, /\/dev\/cdi\/other'?: Operation not permitted/);
      assert.match(stderr, /\/opt\/vendor\/x: Read-only file system/);
      const plain = await daemon.run(client, ["run", "--rm", "busybox", "sh", "-c", "env; ls /dev/cdi /opt"]);
      assert.doesNotMatch(plain.stdout, /VENDOR|null|vendor/);
    });

    test("hooks run in the container while it is made, with its state", async () => {
      const { stdout, stderr, status } = await run("vendor.com/dev=hooked", "cat", "/by-create", "/by-start");
      assert.equal(status, 0, stderr);
      const [creating, created] = stdout
        .replace("}{", "}\n{")
        .split("\n")
        .map((text) => JSON.parse(text));
      assert.deepEqual([creating.status, created.status], ["creating", "created"]);
      assert.match(creating.id, /^[0-9a-f]{64}$/);
      assert.equal(creating.bundle, daemon.path("run/c", creating.id));
    });

    test("what cannot be had is told", async () => {
      const fails = async (device: string, why: RegExp) => {
        const { status, stderr } = await run(device, "true");
        assert.equal(status, 125);
        assert.match(stderr, why);
      };
      await fails(
        "vendor.com/dev=x",
        /CDI device injection failed: unresolvable CDI devices vendor\.com\/dev=x/,
      );
      await fails(
        "vendor.com/dev=gone",
        /CDI device injection failed: \/dev\/no-such-device is not a device/,
      );
      await fails("vendor.com/dev=outside", /hooks\.poststop is not supported/);
    });

    test("info lists them", async () => {
      assert.match(await daemon.text(client, ["info"]), /CDI spec directories:\n {2}\S+\/etc\n/);
    });
  });

describe("builds with CDI devices", () => {
  const [berth] = clients;
  const build = async (run: string, ...args: string[]) => {
    await writeFile(join(dir, "vendor/Dockerfile"), `FROM busybox\nRUN ${run}\n`);
    const command = ["build", "--no-cache", "--progress=plain", ...args, join(dir, "vendor")];
    return daemon.run(berth ?? assert.fail(), command);
  };

  test("a step has the device that it names, when the build may use it", async () => {
    const step =
      "--device=vendor.com/dev=null,required echo $DEVICE; cat /opt/vendor/file; ls -l /dev/cdi/null";
    const { stderr, status } = await build(step, "--allow", "device=vendor.com/dev=null");
    assert.equal(status, 0, stderr);
    assert.match(
      stderr,
      /^#\d+ [\d.]+ null\n#\d+ [\d.]+ of the vendor\n#\d+ [\d.]+ c.* 1, +3 .*\/dev\/cdi\/null$/m,
    );
    assert.match(
      (await build(step)).stderr,
      /device vendor\.com\/dev=null is requested by the build but not allowed/,
    );
    assert.match((await build("--device=vendor.com/dev=free echo f$FREE")).stderr, / f1$/m);
  });

  test("one that is not there ends the build only where it is required", async () => {
    assert.match(
      (await build("--device=vendor.com/none,required true")).stderr,
      /required device "vendor\.com\/none" is not registered/,
    );
    assert.equal((await build("--device=vendor.com/none true")).status, 0);
  });
});
