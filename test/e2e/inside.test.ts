// What is inside of a container as Docker shows it: the root's standard files, export, commit, copies that are refused, pipes.
import assert from "node:assert/strict";
import { lstat, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

for (const client of clients)
  describe(`${client.name}: inside of a container`, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);

    test("a root has the files by which programs know a container, and they are no changes", async () => {
      const script = "test -f /.dockerenv && readlink /etc/mtab && grep -c ' / overlay' /etc/mtab";
      assert.equal(await text("run", "--name", "known", "busybox", "sh", "-c", script), "/proc/mounts\n1");
      assert.equal(await text("diff", "known"), "");
      await text("export", "-o", daemon.path("known.tar"), "known");
      const { stdout } = await run(["tar", "-tf", daemon.path("known.tar")]);
      const names = stdout.split("\n");
      for (const name of [
        ".dockerenv",
        "dev/console",
        "dev/pts/",
        "dev/shm/",
        "etc/mtab",
        "etc/hosts",
        "proc/",
      ])
        assert.ok(names.includes(name), name);
    });

    test("commit applies every instruction that docker takes, and refuses the others", async () => {
      await text("create", "--name", "base", "-e", "A=a", "busybox", "true");
      const changes = [
        'CMD ["x","y"]',
        'ENV A=b C="d e"',
        "EXPOSE 80 81/udp",
        "LABEL l=1",
        "USER 1:2",
        "WORKDIR /w",
        "WORKDIR sub",
        "VOLUME /v1 /v2",
        "STOPSIGNAL 9",
        'ENTRYPOINT ["e"]',
        "ONBUILD RUN x",
        "HEALTHCHECK --interval=5s CMD true",
      ].flatMap((change) => ["-c", change]);
      const id = await text("commit", "-m", "why", "-a", "me <a@b>", ...changes, "base", "made:1");
      const [image] = JSON.parse(await text("image", "inspect", "made:1"));
      assert.equal(image.Id, id);
      assert.deepEqual([image.Comment, image.Author], ["why", "me <a@b>"]);
      const { Cmd, Env, ExposedPorts, Labels, User, WorkingDir, Volumes, StopSignal, Entrypoint, OnBuild } =
        image.Config;
      assert.deepEqual(Cmd, ["x", "y"]);
      assert.deepEqual(Env, ["A=b", "C=d e"]);
      assert.deepEqual(ExposedPorts, { "80/tcp": {}, "81/udp": {} });
      assert.deepEqual([Labels, User, WorkingDir], [{ l: "1" }, "1:2", "/w/sub"]);
      assert.deepEqual(Volumes, { "/v1": {}, "/v2": {} });
      assert.deepEqual([StopSignal, Entrypoint, OnBuild], ["9", ["e"], ["RUN x"]]);
      assert.deepEqual(image.Config.Healthcheck, { Test: ["CMD-SHELL", "true"], Interval: 5_000_000_000 });
      const history = await text(
        "history",
        "--no-trunc",
        "--format",
        "{{.CreatedBy}}|{{.Size}}|{{.Comment}}",
        "made:1",
      );
      assert.equal(history.split("\n")[0], "true|0B|why");
      for (const change of ["RUN x", 'SHELL ["a"]', "FROM x", "foo"]) {
        const refused = await outcome("commit", "-c", change, "base");
        assert.equal(refused.status, 1);
        assert.match(refused.stderr, /daemon: (RUN|SHELL|FROM|foo) is not a valid change command/);
      }
      const [parent] = JSON.parse(await text("image", "inspect", "busybox"));
      assert.deepEqual(image.RootFS.Layers, parent.RootFS.Layers, "nothing has changed: no layer");
      await text("run", "--rm", "--entrypoint", "", "-u", "0", "made:1", "true");
      await text("rmi", "made:1");
    });

    test("commit lets a running container stand still and says so, unless it shall not", async () => {
      await text("run", "-d", "--name", "busy", "busybox", "sleep", "1000");
      const all = daemon.events();
      await text("commit", "busy", "made:2");
      await text("commit", "--pause=false", "busy", "made:3");
      await text("pause", "busy");
      await text("commit", "busy", "made:4");
      await all.prints('"made:4"');
      await all.prints('"imageRef":"made:4"');
      all.kill("SIGKILL");
      const actions = all.output
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line))
        .filter((e) => e.Type === "container")
        .map((e) => e.Action);
      assert.deepEqual(actions, ["pause", "commit", "unpause", "commit", "pause", "commit"]);
      assert.equal((await daemon.inspect("busy")).State.Status, "paused", "a paused one stays so");
      await text("rmi", "made:2", "made:3", "made:4");
    });

    test("inspect of a container that was never started names no files of it", async () => {
      await text("create", "--name", "fresh", "busybox", "true");
      const format = "{{.LogPath}}|{{.HostsPath}}|{{.HostnamePath}}|{{.ResolvConfPath}}";
      assert.equal(await text("inspect", "-f", format, "fresh"), "|||");
      await text("start", "-a", "fresh");
      assert.match(await text("inspect", "-f", "{{.HostsPath}}", "fresh"), /\/hosts$/);
    });

    test("copies that cannot be are refused in docker's words", async () => {
      const dir = daemon.path(`copies-${client.name}`);
      await mkdir(`${dir}/d`, { recursive: true });
      await writeFile(`${dir}/f`, "x");
      await symlink("nowhere", `${dir}/dangling`);
      await text("run", "-d", "--name", "cc", "busybox", "sleep", "1000");
      const refused = async (...args: string[]): Promise<string> => {
        const { status, stderr } = await daemon.run(client, ["cp", ...args], { cwd: dir });
        assert.equal(status, 1, args.join(" "));
        return stderr
          .replaceAll(dir, "W")
          .split("\n")
          .filter((line) => !line.includes("level=error"))
          .join("\n");
      };
      assert.equal(await refused("f", "cc:"), "no such directory\n");
      assert.equal(await refused("f/", "cc:/tmp/x"), "not a directory\n");
      assert.equal(
        await refused("-L", "dangling", "cc:/tmp"),
        "lstat W/nowhere: no such file or directory\n",
      );
      assert.equal(await refused("-", "cc:/none"), 'destination "cc:/none" must be a directory\n');
      assert.equal(
        await refused("f", "cc:/dev/null"),
        'destination "cc:/dev/null" must be a directory or a regular file: got a device\n',
      );
      assert.equal(await refused("d", "cc:/etc/passwd"), "cannot copy directory\n");
      assert.match(await refused("cc:", "d"), /daemon: bad parameter: path cannot be empty/);
      assert.equal(await refused("cc:/etc/passwd", "f/"), "stat W/f/: not a directory\n");
      assert.equal(await refused("cc:/etc", "f"), "cannot copy directory\n");
      assert.equal(
        await refused("cc:/etc/passwd", "no/such/"),
        'invalid output path: directory "W/no" does not exist\n',
      );
    });

    test("a stopped container's directory is copied with what would be mounted in it", async () => {
      const bound = daemon.path(`bound-${client.name}`);
      const dir = daemon.path(`whole-${client.name}`);
      await mkdir(bound);
      await writeFile(`${bound}/b`, "bound");
      await writeFile(`${bound}/single`, "one file");
      const volume = `vol-${client.name}`;
      const mounts = [
        "-v",
        `${volume}:/m/v`,
        "-v",
        `${bound}:/m/v/deep`,
        "-v",
        `${bound}/single:/etc/single:ro`,
      ];
      await text(
        "run",
        "--name",
        "whole",
        ...mounts,
        "busybox",
        "sh",
        "-c",
        "echo in > /m/v/f; echo layer > /m/own",
      );
      await text("cp", "whole:/", dir);
      const read = (name: string): Promise<string> => readFile(`${dir}/${name}`, "utf8");
      assert.equal(await read("m/own"), "layer\n");
      assert.equal(await read("m/v/f"), "in\n");
      assert.equal(await read("m/v/deep/b"), "bound");
      assert.equal(await read("etc/single"), "one file");
      await text("cp", "whole:/m/v", `${dir}-v`);
      assert.equal(await readFile(`${dir}-v/deep/b`, "utf8"), "bound");
      await text("rm", "-v", "whole");
      await text("volume", "rm", volume);
    });

    test("pipes and devices are copied as what they are", async () => {
      const dir = daemon.path(`nodes-${client.name}`);
      await text(
        "run",
        "--name",
        "nn",
        "busybox",
        "sh",
        "-c",
        "mkdir /n; mkfifo -m 640 /n/p; mknod /n/c c 1 3",
      );
      await text("cp", "nn:/n", dir);
      const [pipe, device] = await Promise.all(["p", "c"].map((name) => lstat(`${dir}/${name}`)));
      assert.ok(pipe?.isFIFO());
      assert.equal((pipe?.mode ?? 0) & 0o777, 0o640);
      assert.ok(device?.isCharacterDevice());
      assert.equal(device?.rdev, 0x103);
      const names = await text("cp", "nn:/n", "-").then((tar) => tar.length);
      assert.ok(names > 1024);
    });
  });
