// RUN --mount and COPY's newer flags in real containers: what is mounted is there, and leaves no trace in the image.
import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { withContext } from "./context.ts";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const MOUNTS = `FROM busybox AS made
RUN mkdir /o && echo from-stage > /o/f && ln -s /o /l
FROM busybox
RUN --mount=target=/ctx cat /ctx/sub/a && ! touch /ctx/x
RUN --mount=target=/ctx,rw touch /ctx/x
RUN --mount=from=made,source=/l,target=/s cat /s/f && ! touch /s/x
RUN --mount=from=made,source=/o,target=/s,rw touch /s/x && ls /s
RUN --mount=source=sub/a,target=/new/place/file cat /new/place/file
RUN --mount=type=tmpfs,target=/t,size=1m df -k /t | tail -1 && touch /t/x
RUN --mount=type=secret,id=none,target=/sec test ! -e /sec
`;

for (const client of clients)
  describe(`${client.name}: build with mounts`, () => {
    const text = (...args: string[]) => daemon.text(client, args);

    test("mounts are there while a step runs, and the image has no layer of them", () =>
      withContext({ Dockerfile: MOUNTS, "sub/a": "in the context\n" }, async (dir) => {
        const built = await daemon.run(client, ["build", "--no-cache", "-t", "mounted", dir]);
        assert.equal(built.status, 0, built.stderr);
        for (const line of ["in the context", "from-stage", "f\nx"])
          assert.ok(built.stdout.includes(`\n${line}\n`), line);
        assert.match(built.stdout, /tmpfs\s+1024 /);
        const [image] = JSON.parse(await text("image", "inspect", "mounted"));
        const [base] = JSON.parse(await text("image", "inspect", "busybox"));
        assert.deepEqual(image.RootFS.Layers, base.RootFS.Layers);
      }));

    test("a cache keeps what steps put into it, from build to build", () =>
      withContext({}, async (dir) => {
        const say = async (what: string) => {
          await writeFile(
            join(dir, "Dockerfile"),
            `FROM busybox\nRUN --mount=type=cache,id=${client.name},target=/cache,uid=1000,mode=0750 ` +
              `echo ${what} >> /cache/n && cat /cache/n && stat -c '%a %u' /cache\n`,
          );
          return (await daemon.run(client, ["build", dir])).stdout;
        };
        assert.match(await say("one"), /\none\n750 1000\n/);
        assert.match(await say("two"), /\none\ntwo\n750 1000\n/);
        assert.equal((await readdir(daemon.path("data/build-mounts"))).length > 0, true);
      }));

    test("COPY --parents, --exclude, --link and symbolic --chmod", () =>
      withContext(
        {
          Dockerfile: [
            "FROM busybox",
            "COPY --parents src/./**/*.c /p/",
            "COPY --exclude=*.o --chmod=u=rwX,go=rX src /e",
            "COPY --link src/a.c /linked/",
          ].join("\n"),
          "src/a.c": "a",
          "src/a.o": "o",
          "src/deep/b.c": "b",
        },
        async (dir) => {
          await text("build", "-t", "flags", dir);
          const list = "find /p /e /linked -type f | sort; stat -c %a /e/a.c /e/deep";
          assert.equal(
            await text("run", "--rm", "flags", "sh", "-c", list),
            "/e/a.c\n/e/deep/b.c\n/linked/a.c\n/p/a.c\n/p/deep/b.c\n644\n755",
          );
        },
      ));
  });
