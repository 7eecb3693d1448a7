// What the engine tells about containers and itself: inspect, ps, top, events, info, version, df-free counts and the like.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

test("where a container's files are is shown as long as it runs", async () => {
  const [client] = clients as [(typeof clients)[number]];
  const merged = (id: string): Promise<string> =>
    daemon.text(client, ["inspect", "-f", "{{.GraphDriver.Data.MergedDir}}", id]);
  const id = await daemon.text(client, ["run", "-d", "busybox", "sh", "-c", "echo here > /mark; sleep 1000"]);
  await daemon.text(client, ["exec", id, "sh", "-c", "until [ -s /mark ]; do :; done"]);
  assert.equal(await readFile(`${await merged(id)}/mark`, "utf8"), "here\n");
  await daemon.text(client, ["kill", id]);
  await daemon.text(client, ["wait", id]);
  assert.match(await merged(id), /\/merged$/);
  assert.equal(existsSync(await merged(id)), false);
});

for (const client of clients)
  describe(`${client.name}: views`, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);

    test("inspect shows what was asked for and what it became", async () => {
      const id = await text(
        "run",
        "-d",
        "--name",
        "seen",
        "-e",
        "A=b",
        "--label",
        "team=blue",
        "-w",
        "/tmp",
        "-m",
        "64m",
        "--cpus",
        "0.5",
        "-p",
        "127.0.0.1:18081:80",
        "--hostname",
        "box",
        "busybox",
        "sleep",
        "1000",
      );
      const all = JSON.parse(await text("inspect", "seen"));
      assert.equal(all.length, 1);
      const [c] = all;
      assert.equal(c.Id, id);
      assert.deepEqual([c.Path, c.Args, c.Name], ["sleep", ["1000"], "/seen"]);
      assert.deepEqual(
        [c.Config.Env.includes("A=b"), c.Config.Labels.team, c.Config.WorkingDir, c.Config.Hostname],
        [true, "blue", "/tmp", "box"],
      );
      assert.deepEqual([c.HostConfig.Memory, c.HostConfig.NanoCpus], [64 << 20, 500_000_000]);
      assert.deepEqual(c.NetworkSettings.Ports["80/tcp"], [{ HostIp: "127.0.0.1", HostPort: "18081" }]);
      assert.match(c.NetworkSettings.Networks.bridge.IPAddress, /^172\.17\.0\.\d+$/);
      assert.equal(await readFile(`/proc/${c.State.Pid}/comm`, "utf8"), "sleep\n");
      assert.equal(
        await text("inspect", "-f", "{{.State.Status}} {{.Config.Image}} {{len .Id}}", "seen"),
        "running busybox 64",
      );
      assert.equal(
        await text("inspect", "--format", "{{json .Config.Cmd}}", id.slice(0, 12)),
        '["sleep","1000"]',
      );
      await text("rm", "-f", "seen");
    });

    test("inspect of what is not there prints an empty list and fails", async () => {
      const ended = await outcome("inspect", "nothing");
      assert.deepEqual([ended.status, ended.stdout.trim()], [1, "[]"]);
      assert.match(ended.stderr, /[Nn]o such object: nothing/);
    });

    test("ps lists what runs, -a everything, with filters and formats", async () => {
      await text("run", "-d", "--name", "one", "--label", "x=1", "busybox", "sleep", "1000");
      await outcome("run", "--name", "two", "--label", "x=2", "busybox", "sh", "-c", "exit 3");
      const table = (await text("ps")).split("\n");
      assert.match(table[0] ?? "", /^CONTAINER ID\s+IMAGE\s+COMMAND\s+CREATED\s+STATUS\s+PORTS\s+NAMES$/);
      assert.match(table[1] ?? "", /^[0-9a-f]{12}\s+busybox\s+"sleep 1000"\s+.*ago\s+Up .*\s+one$/);
      assert.equal(table.length, 2);
      assert.equal(await text("ps", "-a", "--format", "{{.Names}}"), "two\none");
      assert.match(
        await text("ps", "-a", "--filter", "name=two", "--format", "{{.Status}}"),
        /^Exited \(3\) .* ago$/,
      );
      assert.equal(await text("ps", "-a", "--filter", "label=x=1", "--format", "{{.Names}}"), "one");
      assert.equal(
        await text("ps", "-aq", "--filter", "status=exited", "--no-trunc"),
        (await daemon.inspect("two")).Id,
      );
      assert.equal(await text("ps", "-a", "--filter", "exited=3", "--format", "{{.Names}}"), "two");
      assert.equal(
        await text("ps", "-a", "--filter", "ancestor=busybox", "-n", "1", "--format", "{{.Names}}"),
        "two",
      );
      assert.equal((await outcome("ps", "--filter", "nosuch=1")).status, 1);
      await text("rm", "-f", "one", "two");
    });

    test("top shows the container's processes with the host's numbers", async () => {
      await text("run", "-d", "--name", "busy", "busybox", "sh", "-c", "sleep 1001 & exec sleep 1002");
      // A shell becomes a program in its own time.
      let shown = "";
      for (let i = 0; i < 100 && !/ sleep 1001\n.* sleep 1002$| sleep 1002\n.* sleep 1001$/.test(shown); i++)
        shown = await text("top", "busy");
      const lines = shown.split("\n");
      assert.match(lines[0] ?? "", /^UID\s+PID\s+PPID\s+C\s+STIME\s+TTY\s+TIME\s+CMD$/);
      assert.equal(lines.length, 3);
      const { Pid } = (await daemon.inspect("busy")).State;
      assert.ok(
        lines.some((l) => l.includes("sleep 1002") && l.split(/\s+/)[1] === String(Pid)),
        lines.join("\n"),
      );
      assert.ok(
        lines.some((l) => l.includes("sleep 1001") && l.split(/\s+/)[2] === String(Pid)),
        lines.join("\n"),
      );
      assert.match(await text("top", "busy", "-o", "pid,comm"), /^PID\s+COMMAND\n\d+\s+sleep\n\d+\s+sleep$/);
      await text("rm", "-f", "busy");
      assert.equal((await outcome("top", "busy")).status, 1);
    });

    test("events tell a container's life in order", async () => {
      const story = `story-${client.name}`;
      const since = String(Math.floor(Date.now() / 1000) - 1);
      const live = daemon.live(client, [
        "events",
        "--since",
        since,
        "--filter",
        `container=${story}`,
        "--format",
        "{{.Type}} {{.Action}}",
      ]);
      await text("run", "--rm", "--name", story, "busybox", "true");
      await live.prints("container destroy");
      live.kill("SIGINT");
      const expected = ["create", "attach", "start", "die", "destroy"];
      const seen = live.output
        .trim()
        .split("\n")
        .map((l) => l.replace("container ", ""));
      assert.deepEqual(
        seen.filter((a) => expected.includes(a)),
        expected,
      );
      const past = await text(
        "events",
        "--since",
        since,
        "--until",
        String(Math.ceil(Date.now() / 1000)),
        "--filter",
        "event=die",
        "--filter",
        `container=${story}`,
        "--format",
        "{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.image}} {{.Actor.Attributes.name}}",
      );
      assert.equal(past.split("\n").at(-1), `0 busybox ${story}`);
      await live.ended;
    });

    test("network events come with the container", async () => {
      const since = String(Date.now() / 1000);
      const live = daemon.live(client, [
        "events",
        "--since",
        since,
        "--filter",
        "type=network",
        "--format",
        "{{.Action}} {{.Actor.Attributes.name}}",
      ]);
      const all = daemon.events();
      await text("run", "--rm", "busybox", "true");
      await all.prints('"Action":"destroy"');
      all.kill("SIGKILL");
      await live.prints("disconnect bridge");
      assert.match(live.output, /^connect bridge\ndisconnect bridge\n/);
      live.kill("SIGINT");
      await live.ended;
    });

    test("version names client and server and the versions of the API", async () => {
      assert.match(
        await text(
          "version",
          "--format",
          "{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}/{{.Server.Arch}}",
        ),
        /^1\.56 1\.24 linux\/\w+$/,
      );
      assert.match(await text("version"), /^Client:[^]*\nServer:[^]*Version:/);
    });

    test("info counts containers by state and names the host", async () => {
      await text("run", "-d", "--name", "r1", "busybox", "sleep", "1000");
      await text("create", "--name", "c1", "busybox", "true");
      const format =
        "{{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}} {{.Images}} {{.Driver}} {{.CgroupDriver}} {{.LiveRestoreEnabled}}";
      assert.equal(await text("info", "--format", format), "2 1 1 1 overlay2 cgroupfs true");
      assert.equal(
        await text("info", "--format", "{{.KernelVersion}}"),
        (await readFile("/proc/sys/kernel/osrelease", "utf8")).trim(),
      );
      assert.equal(await text("info", "--format", "{{.DockerRootDir}}"), daemon.dataRoot);
      await text("rm", "-f", "r1", "c1");
    });

    test("port shows what is published", async () => {
      await text(
        "run",
        "-d",
        "--name",
        "looked",
        "-p",
        "127.0.0.1:18082:80/tcp",
        "busybox",
        "sh",
        "-c",
        "echo x > /new; rm /etc/group; exec sleep 1000",
      );
      assert.equal(await text("port", "looked"), "80/tcp -> 127.0.0.1:18082");
      assert.equal(await text("port", "looked", "80"), "127.0.0.1:18082");
      await text("rm", "-f", "looked");
    });
  });
