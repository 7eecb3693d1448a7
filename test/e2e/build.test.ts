// Builds: every instruction of the walking skeleton, the cache, the context, and what a build says when it fails.
import assert from "node:assert/strict";
import { symlink, writeFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { withContext } from "./context.ts";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const DOCKERFILE = `# all instructions of the skeleton
FROM busybox
ENV GREETING=hello NAME="big world"
WORKDIR /srv/app
COPY page.txt ./
COPY dir/ /data/
RUN echo "$GREETING $NAME" > said && cat page.txt >> said
EXPOSE 80 53/udp
ENTRYPOINT ["sh", "-c"]
CMD ["cat /srv/app/said; ls /data"]
`;
const FILES = { Dockerfile: DOCKERFILE, "page.txt": "page\n", "dir/one": "1", "dir/sub/two": "2" };

for (const client of clients)
  describe(`${client.name}: build`, () => {
    const text = (...args: string[]) => daemon.text(client, args);
    const outcome = (...args: string[]) => daemon.run(client, args);
    const imagesNow = () => text("images", "-aq", "--no-trunc");

    test("makes an image whose containers run what the Dockerfile says", () =>
      withContext(FILES, async (dir) => {
        const built = await outcome("build", "-t", `app-${client.name}`, dir);
        assert.equal(built.status, 0, built.stderr);
        assert.match(built.stdout, /Step 1\/9 : FROM busybox/);
        assert.match(built.stdout, /Step 6\/9 : RUN echo/);
        assert.match(built.stdout, new RegExp(`Successfully tagged app-${client.name}:latest`));
        assert.equal(await text("run", "--rm", `app-${client.name}`), "hello big world\npage\none\nsub");
        assert.equal(
          await text("run", "--rm", `app-${client.name}`, "pwd; echo $GREETING"),
          "/srv/app\nhello",
        );
        const [image] = JSON.parse(await text("image", "inspect", `app-${client.name}`));
        assert.deepEqual(Object.keys(image.Config.ExposedPorts).sort(), ["53/udp", "80/tcp"]);
        assert.deepEqual(image.Config.Entrypoint, ["sh", "-c"]);
        assert.equal(image.Config.WorkingDir, "/srv/app");
        assert.ok(image.Config.Env.includes("NAME=big world"));
        assert.equal(await text("ps", "-aq"), "", "no container is left");
      }));

    test("a second build is cached and gives the same image; a change builds from there on", () =>
      withContext(FILES, async (dir) => {
        const first = await text("build", "-q", "-t", "cached", dir);
        assert.match(first, /^sha256:[0-9a-f]{64}$/);
        const again = await outcome("build", "-t", "cached", dir);
        assert.equal((again.stdout.match(/ ---> Using cache/g) ?? []).length, 8);
        assert.doesNotMatch(again.stdout, /Running in/);
        assert.equal(await text("build", "-q", dir), first);
        // The time of a file is not its content.
        await run(["touch", "-d", "2001-01-01", join(dir, "page.txt")]);
        assert.equal(await text("build", "-q", dir), first);
        await writeFile(join(dir, "page.txt"), `other ${client.name}\n`);
        const changed = await outcome("build", "-t", "cached", dir);
        assert.equal((changed.stdout.match(/ ---> Using cache/g) ?? []).length, 2);
        assert.equal((changed.stdout.match(/ ---> Running in/g) ?? []).length >= 1, true);
        assert.match(await text("run", "--rm", "cached"), new RegExp(`other ${client.name}`));
        const fresh = await outcome("build", "--no-cache", "-t", "cached", dir);
        assert.doesNotMatch(fresh.stdout, /Using cache/);
      }));

    test("a failing RUN shows its output, the command and the exit code, and leaves nothing", () =>
      withContext({ Dockerfile: "FROM busybox\nRUN echo before; exit 7\nRUN echo never\n" }, async (dir) => {
        const images = await imagesNow();
        const failed = await outcome("build", "-t", "broken", dir);
        assert.equal(failed.status, 7);
        const said = failed.stdout + failed.stderr;
        assert.match(said, /Step 2\/3 : RUN echo before; exit 7/);
        assert.match(said, /^before$/m);
        assert.match(said, /The command '\/bin\/sh -c echo before; exit 7' returned a non-zero code: 7/);
        assert.doesNotMatch(said, /never$/m);
        assert.equal((await outcome("image", "inspect", "broken")).status, 1);
        assert.equal(await text("ps", "-aq"), "");
        assert.equal(await imagesNow(), images);
      }));

    test("a COPY of what is not in the context names it", () =>
      withContext({ Dockerfile: "FROM busybox\nCOPY nosuch.txt /\n" }, async (dir) => {
        const images = await imagesNow();
        const failed = await outcome("build", dir);
        assert.equal(failed.status, 1);
        assert.match(failed.stderr, /nosuch\.txt/);
        assert.match(failed.stderr, /COPY failed|not found|no such file/);
        assert.equal(await imagesNow(), images);
      }));

    test("a missing Dockerfile, a missing context and an unknown instruction are one line each", () =>
      withContext({ "file.txt": "" }, async (dir) => {
        const missing = await outcome("build", dir);
        assert.notEqual(missing.status, 0);
        assert.match(missing.stderr, /Dockerfile/);
        const nowhere = await outcome("build", join(dir, "nowhere"));
        assert.notEqual(nowhere.status, 0);
        assert.match(nowhere.stderr, /nowhere/);
        await writeFile(join(dir, "Dockerfile"), "FROM busybox\nRUM true\n");
        const typo = await outcome("build", dir);
        assert.equal(typo.status, 1);
        assert.match(typo.stderr, /unknown instruction: RUM/i);
        assert.equal(await text("ps", "-aq"), "");
      }));

    test("a context that leads outside of itself is not followed", () =>
      withContext({ Dockerfile: "FROM busybox\nCOPY link /etc/stolen\n", "real/x": "" }, async (dir) => {
        await symlink("/etc/shadow", join(dir, "link"));
        const built = await outcome("build", "-t", "linked", dir);
        if (built.status === 0)
          assert.notEqual((await outcome("run", "--rm", "linked", "test", "-s", "/etc/stolen")).status, 0);
        await writeFile(join(dir, "Dockerfile"), "FROM busybox\nCOPY ../../etc/passwd /stolen\n");
        assert.notEqual((await outcome("build", dir)).status, 0);
      }));

    test(".dockerignore keeps files out of the context", () =>
      withContext(
        {
          Dockerfile: "FROM busybox\nCOPY . /all\n",
          ".dockerignore": "*.log\nsecret\n!keep.log\n",
          "a.txt": "",
          "b.log": "",
          "keep.log": "",
          "secret/key": "",
        },
        async (dir) => {
          await text("build", "-t", "ignored", dir);
          const seen = await text("run", "--rm", "ignored", "ls", "/all");
          assert.deepEqual(
            seen.split("\n").filter((n) => n !== "Dockerfile"),
            ["a.txt", "keep.log"],
          );
        },
      ));

    test("a Dockerfile comes from standard input, from -f, or a whole context as an archive", () =>
      withContext({ "sub/My.Dockerfile": "FROM busybox\nCOPY x /x\n", x: "content" }, async (dir) => {
        const piped = await daemon.run(client, ["build", "-t", "piped", "-"], {
          input: "FROM busybox\nENV A=1\n",
        });
        assert.equal(piped.status, 0, piped.stderr);
        await text("build", "-t", "named", "-f", join(dir, "sub/My.Dockerfile"), dir);
        assert.equal(await text("run", "--rm", "named", "cat", "/x"), "content");
        const tar = await run(["tar", "-C", dir, "-c", "."]);
        const archived = await daemon.run(
          client,
          ["build", "-t", "archived", "-f", "sub/My.Dockerfile", "-"],
          { input: tar.bytes },
        );
        assert.equal(archived.status, 0, archived.stderr);
        assert.equal(await text("run", "--rm", "archived", "cat", "/x"), "content");
      }));

    test("--build-arg, several stages, COPY --from and --target", () => {
      const dockerfile = [
        "FROM busybox AS maker",
        "ARG WHAT=nothing",
        "RUN echo made $WHAT > /made",
        "FROM busybox",
        "COPY --from=maker /made /got",
        'CMD ["cat", "/got"]',
      ].join("\n");
      return withContext({ Dockerfile: dockerfile }, async (dir) => {
        await text("build", "-t", "staged", "--build-arg", "WHAT=bread", dir);
        assert.equal(await text("run", "--rm", "staged"), "made bread");
        await text("build", "-t", "half", "--target", "maker", dir);
        assert.equal(await text("run", "--rm", "half", "cat", "/made"), "made nothing");
      });
    });

    test("USER, --chown, modes, deletions and links come out as they went in", () => {
      const dockerfile = [
        "FROM busybox",
        "COPY --chown=dev:dev tool.sh /tool.sh",
        "RUN chmod 0750 /tool.sh && ln -s tool.sh /link && ln /tool.sh /hard && rm /etc/group && mkdir -m 1777 /sticky",
        "RUN rm -rf /var && mkdir /var && echo new > /var/file",
        "USER dev",
        'CMD ["id", "-un"]',
      ].join("\n");
      return withContext({ Dockerfile: dockerfile, "tool.sh": "#!/bin/sh\n" }, async (dir) => {
        await text("build", "-t", "modes", dir);
        assert.equal(await text("run", "--rm", "modes"), "dev");
        assert.equal(await text("run", "--rm", "modes", "stat", "-c", "%a %U %h", "/tool.sh"), "750 dev 2");
        assert.equal(
          await text(
            "run",
            "--rm",
            "modes",
            "sh",
            "-c",
            "readlink /link; test -e /etc/group || echo gone; stat -c %a /sticky; ls /var",
          ),
          "tool.sh\ngone\n1777\nfile",
        );
      });
    });

    test("a build that is interrupted leaves no container and no process", () =>
      withContext({ Dockerfile: "FROM busybox\nRUN echo begun; sleep 1000\n" }, async (dir) => {
        const live = daemon.live(client, ["build", dir]);
        await live.prints(/^begun$/m);
        live.kill("SIGINT");
        const { status } = await live.ended;
        // docker's client ends with 0 when it hears of the end of its request before it hears of the signal.
        if (client.name === "berth") assert.notEqual(status, 0);
        assert.equal(await text("ps", "-aq"), "");
      }));

    test("steps that change nothing, and failed ones, keep no layer", async () => {
      const layersNow = async () => (await readdir(daemon.path("data/layers"))).sort();
      const prune = async () => {
        await text("builder", "prune", "-af");
        await text("image", "prune", "-f");
      };
      await prune();
      const before = await layersNow();
      for (const steps of [
        "RUN true",
        "RUN true\nRUN false",
        "RUN touch /x\nRUN false",
        "WORKDIR /tmp\nENV A=1",
      ]) {
        const built = await daemon.run(client, ["build", "-t", "keeps-none", "-"], {
          input: `FROM busybox\n${steps}\n`,
        });
        assert.equal(built.status === 0, !steps.includes("false"), built.stderr);
        if (built.status === 0) await text("rmi", "keeps-none");
      }
      await prune();
      assert.deepEqual(await layersNow(), before);
    });

    test("RUN has a network and an unprivileged environment", () =>
      withContext(
        {
          Dockerfile:
            "FROM busybox\nRUN ip -4 addr show eth0 && grep -E 'CapEff|Seccomp:' /proc/self/status && cat /etc/resolv.conf\n",
        },
        async (dir) => {
          const built = await outcome("build", "--no-cache", dir);
          assert.equal(built.status, 0, built.stderr);
          assert.match(built.stdout, /inet 172\.17\.0\.\d+\/16/);
          assert.match(built.stdout, /CapEff:\s+00000000a80425fb\nSeccomp:\s+2/);
          assert.match(built.stdout, /^nameserver /m);
        },
      ));
  });
