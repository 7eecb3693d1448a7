// Builds by BuildKit's services: secrets, agents, named contexts, outputs and progress over a session, from our client, from
// Docker's client with BuildKit built in, and from a client that speaks the control service as buildx does.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { createClient } from "../../src/api/client.ts";
import { buildControl } from "../../src/api/operations/build.ts";
import { byteStream } from "../../src/build/session/byte-stream.ts";
import { openSession } from "../../src/cli/build/session/session.ts";
import {
  BUILD_ID_KEY,
  CONTROL_METHODS,
  diskUsageRequest,
  diskUsageResponse,
  empty,
  GATEWAY_METHODS,
  gatewaySolveRequest,
  gatewaySolveResponse,
  listWorkersResponse,
  pongResponse,
  pruneRequest,
  returnRequest,
  SESSION_HELLO_KEYS,
  solveRequest,
  solveResponse,
  usageRecord,
} from "../../src/lib/build-protocol/control.ts";
import { GrpcClient } from "../../src/lib/grpc/client.ts";
import { Live, run } from "./command.ts";
import { withContext } from "./context.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const [berth] = clients as readonly [Client];
/** Debian's client has BuildKit built in; newer ones need a plugin for it. */
const DEBIAN_CLIENT = "/usr/bin/docker";
const sessionClients: readonly Client[] = existsSync(DEBIAN_CLIENT)
  ? [berth, { name: "docker", argv: [DEBIAN_CLIENT] }]
  : [berth];
const env = { DOCKER_BUILDKIT: "1" };

const SSH_STEPS = `FROM scratch
COPY / /
ARG PORT
RUN --mount=type=ssh ssh-add -l
RUN --mount=type=ssh,required ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p $PORT root@127.0.0.1 'echo logged in'
RUN --mount=type=ssh ssh-add -D 2>&1 || echo refused
`;

/** Puts programs of this host and what they are linked with into a directory, and who root is. */
async function copyPrograms(dir: string, programs: readonly string[]): Promise<void> {
  const { stdout } = await run(["ldd", ...programs]);
  const libraries = stdout.match(/\/\S+(?= \(0x)/g) ?? [];
  for (const path of new Set([...programs, ...libraries]))
    await cp(path, join(dir, path), { dereference: true });
  await mkdir(join(dir, "etc"));
  await writeFile(join(dir, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
}

async function makeKey(path: string, passphrase = ""): Promise<void> {
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path]);
}

const fingerprintOf = async (path: string): Promise<string> =>
  (await run(["ssh-keygen", "-l", "-f", path])).stdout.split(" ")[1] ?? "";

/** Starts an sshd in the daemon's network that lets in who has the key; its own key and configuration are in the directory. */
async function startSshd(dir: string, allowed: string): Promise<{ port: number } & AsyncDisposable> {
  const port = nextPort++;
  const settings = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${join(dir, "host")}`,
    `AuthorizedKeysFile ${allowed}`,
    "StrictModes no",
    "UsePAM no",
    "PermitRootLogin yes",
    "PidFile none",
  ];
  await writeFile(join(dir, "host-config"), `${settings.join("\n")}\n`);
  // sshd wants a directory in /run, which the host need not have.
  const script = `mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f ${join(dir, "host-config")}`;
  const sshd = new Live(daemon.network.wrap(["unshare", "--mount", "sh", "-c", script]), {
    timeoutMs: 600_000,
  });
  await sshd.prints("Server listening");
  return {
    port,
    async [Symbol.asyncDispose]() {
      sshd.kill("SIGTERM");
      await sshd.ended;
    },
  };
}
let nextPort = 2222;

for (const client of sessionClients)
  describe(`${client.name}: build with a session`, () => {
    const build = (...args: string[]) => daemon.run(client, ["build", "--progress=plain", ...args], { env });
    const text = (...args: string[]) => daemon.text(client, args);

    test("FROM takes its image, or a stage before it, from an argument", () => {
      const dockerfile = [
        "  ARG _BASE=nothing",
        "FROM busybox AS tools",
        "RUN echo tool > /tool",
        "FROM $_BASE AS last",
        "RUN test -e /tool && echo with tools > /said || echo plain > /said",
      ].join("\n");
      return withContext({ Dockerfile: dockerfile }, async (dir) => {
        for (const [base, said] of [
          ["tools", "with tools"],
          ["busybox", "plain"],
        ] as const) {
          const built = await build("-t", "chosen", "--build-arg", `_BASE=${base}`, dir);
          assert.equal(built.status, 0, built.stderr);
          assert.equal(await text("run", "--rm", "chosen", "cat", "/said"), said);
        }
      });
    });

    test("a secret reaches the command, and no image, history, record or log", () =>
      withContext(
        {
          Dockerfile:
            "FROM busybox\nRUN --mount=type=secret,id=token,uid=1000,mode=0440 stat -c '%a %u' /run/secrets/token && sha256sum /run/secrets/token > /sum\n",
          secret: "not-to-be-seen",
        },
        async (dir) => {
          await writeFile(join(dir, ".dockerignore"), "secret\n");
          const from = `id=token,src=${join(dir, "secret")}`;
          const built = await build("--no-cache", "--secret", from, "-t", "secretive", dir);
          assert.equal(built.status, 0, built.stderr);
          assert.match(built.stderr, /440 1000/);
          const sum = await text("run", "--rm", "secretive", "cat", "/sum");
          const expected = await run(["sha256sum", join(dir, "secret")]);
          assert.equal(sum.split(" ")[0], expected.stdout.split(" ")[0]);
          const history = await text("history", "--no-trunc", "secretive");
          assert.doesNotMatch(built.stderr + history + daemon.log, /not-to-be-seen/);
          const found = await run(["grep", "-rl", "not-to-be-seen", daemon.dataRoot, daemon.path("run")]);
          assert.equal(found.stdout, "");
          const missing = await text(
            "run",
            "--rm",
            "secretive",
            "sh",
            "-c",
            "test -e /run/secrets || echo gone",
          );
          assert.equal(missing, "gone");
        },
      ));

    test("only what the Dockerfile asks for is sent, symlinks followed, .dockerignore minded", () =>
      withContext(
        {
          Dockerfile: "FROM busybox\nCOPY a/b /got\n",
          "real/b/f": "F",
          "real/b/no": "",
          big: "x",
          ".dockerignore": "**/no\n",
        },
        async (dir) => {
          await symlink("real", join(dir, "a"));
          const built = await build("-t", "followed", dir);
          assert.equal(built.status, 0, built.stderr);
          assert.equal(await text("run", "--rm", "followed", "ls", "/got"), "f");
        },
      ));

    test("an ssh agent is reached through its socket in the step", () =>
      withContext(
        {
          Dockerfile:
            "FROM busybox\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && stat -c %a $SSH_AUTH_SOCK\n",
        },
        async (dir) => {
          const socket = join(dir, "agent.sock");
          const server = createServer();
          await new Promise<void>((resolve) => server.listen(socket, resolve));
          try {
            const built = await build("--no-cache", "--ssh", `default=${socket}`, "-t", "agented", dir);
            assert.equal(built.status, 0, built.stderr);
            assert.match(built.stderr, /^#\d+ [\d.]+ 600$/m);
          } finally {
            server.close();
          }
        },
      ));

    test("keys in files log in on another host, and stay where they are", () =>
      withContext({ Dockerfile: SSH_STEPS }, async (dir) => {
        await copyPrograms(dir, ["/usr/bin/ssh", "/usr/bin/ssh-add", "/bin/sh"]);
        for (const name of ["one", "two", "host"]) await makeKey(join(dir, name));
        await writeFile(join(dir, ".dockerignore"), "one*\ntwo*\nhost*\n");
        await using sshd = await startSshd(dir, join(dir, "two.pub"));
        const built = await build(
          ...["--no-cache", "--network=host", "--build-arg", `PORT=${sshd.port}`],
          ...["--ssh", `default=${join(dir, "one")},${join(dir, "two")}`, "-t", "logged-in", dir],
        );
        assert.equal(built.status, 0, built.stderr);
        const fingerprints = await Promise.all(["one", "two"].map((name) => fingerprintOf(join(dir, name))));
        for (const found of fingerprints) assert.ok(built.stderr.includes(found), found);
        assert.match(built.stderr, /#\d+ [\d.]+ logged in$/m);
        // Docker's own agent lets a step take its keys away.
        if (client === berth) assert.match(built.stderr, /#\d+ [\d.]+ refused$/m);
      }));

    test("a key that wants a passphrase is refused before anything is built", () =>
      withContext({ Dockerfile: "FROM busybox\nRUN --mount=type=ssh true\n" }, async (dir) => {
        await makeKey(join(dir, "locked"), "a passphrase");
        const refused = await build("--ssh", `default=${join(dir, "locked")}`, dir);
        assert.notEqual(refused.status, 0);
        assert.match(refused.stderr, /locked: ssh: this private key is passphrase protected/);
      }));

    test("the history is BuildKit's, and a failure names the command and its exit code", () =>
      withContext({ Dockerfile: "FROM busybox\nENV A=b\nRUN true\nRUN exit 7\n" }, async (dir) => {
        const failed = await build(dir);
        assert.equal(failed.status, 1);
        assert.match(
          failed.stderr,
          /process "\/bin\/sh -c exit 7" did not complete successfully: exit code: 7/,
        );
        await writeFile(join(dir, "Dockerfile"), "FROM busybox\nENV A=b\nRUN true\n");
        assert.equal((await build("-t", "kit", dir)).status, 0);
        const created = await text("history", "--no-trunc", "--format", "{{.CreatedBy}}", "kit");
        assert.deepEqual(created.split("\n").slice(0, 2), ["RUN /bin/sh -c true # buildkit", "ENV A=b"]);
      }));

    test("a context from standard input, and the id alone with -q", () =>
      withContext({ Dockerfile: "FROM busybox\nCOPY f /f\n", f: "F" }, async (dir) => {
        const tar = await run(["tar", "-C", dir, "-c", "."]);
        const built = await daemon.run(client, ["build", "-q", "-t", "piped-kit", "-"], {
          env,
          input: tar.bytes,
        });
        assert.match(built.stdout, /^sha256:[0-9a-f]{64}\n$/, built.stderr);
        assert.equal(await text("run", "--rm", "piped-kit", "cat", "/f"), "F");
      }));
  });

describe("berth: what only its client can do", () => {
  const build = (...args: string[]) => daemon.run(berth, ["build", ...args], { env });

  test("outputs: a directory, an archive, the image as a file, metadata", () =>
    withContext({ Dockerfile: "FROM scratch\nCOPY --chmod=750 d /d\n", "d/f": "F" }, async (dir) => {
      await symlink("f", join(dir, "d/link"));
      const to = (name: string) => join(dir, name);
      const dangling = async () =>
        (await daemon.run(berth, ["images", "-q", "--filter", "dangling=true"])).stdout;
      const before = await dangling();
      const files = await build("-o", to("out"), "--metadata-file", to("meta"), dir);
      assert.equal(files.status, 0, files.stderr);
      assert.deepEqual((await readdir(to("out/d"))).sort(), ["f", "link"]);
      assert.equal((await stat(to("out/d/f"))).mode & 0o7777, 0o750);
      const meta = JSON.parse(await readFile(to("meta"), "utf8")) as Record<string, string>;
      assert.match(meta["containerimage.config.digest"] ?? "", /^sha256:/);
      const archive = await build("-o", "-", dir);
      const listed = await run(["tar", "-t"], { input: archive.bytes });
      assert.equal(listed.stdout, "d/\nd/f\nd/link\n");
      const image = await build("-t", "as-file", "-o", `type=docker,dest=${to("image.tar")}`, dir);
      assert.equal(image.status, 0, image.stderr);
      const inside = await run(["tar", "-t", "-f", to("image.tar")]);
      assert.match(inside.stdout, /^manifest\.json$/m);
      assert.equal(await dangling(), before);
    }));

  test("named contexts: directories, images, and the Dockerfile from standard input", () =>
    withContext({ "other/f": "O" }, async (dir) => {
      const input = "FROM base\nCOPY --from=files f /f\nRUN --mount=from=files,target=/m cat /m/f\n";
      const contexts = [`files=${join(dir, "other")}`, "base=docker-image://busybox"];
      const flags = contexts.flatMap((c) => ["--build-context", c]);
      const built = await daemon.run(berth, ["build", "-t", "named", ...flags, "-f", "-", dir], {
        env,
        input,
      });
      assert.equal(built.status, 0, built.stderr);
      assert.equal((await daemon.run(berth, ["run", "--rm", "named", "cat", "/f"])).stdout, "O");
    }));

  test("with SOURCE_DATE_EPOCH and rewritten times, two builds are one image", () =>
    withContext(
      {
        Dockerfile:
          "FROM busybox\nARG A=1\nWORKDIR /w\nRUN echo x > f && mkdir -p d/e && ln -s f l\nCOPY c /p/q\n",
        c: "C",
      },
      async (dir) => {
        const ids = async (...flags: string[]) => {
          const options = { env: { ...env, SOURCE_DATE_EPOCH: "1000000000" } };
          const once = () => daemon.text(berth, ["build", "-q", "--no-cache", ...flags, dir], options);
          const first = await once();
          // Another second on every file's clock.
          await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)));
          return [first, await once()];
        };
        const [one, two] = await ids("-o", "type=image,rewrite-timestamp=true");
        assert.equal(one, two);
        const image = await daemon.text(berth, ["image", "inspect", "-f", "{{.Created}}", one as string]);
        assert.match(image, /^2001-09-09T01:46:40/);
        const times = await daemon.text(berth, [
          "run",
          "--rm",
          one as string,
          "stat",
          "-c",
          "%Y",
          "/w/f",
          "/w",
          "/w/l",
        ]);
        assert.equal(times, "1000000000\n1000000000\n1000000000");
      },
    ));

  test("on a failure the lines of the Dockerfile are shown", () =>
    withContext(
      { Dockerfile: "FROM busybox\n\nRUN echo last words && \\\n  exit 3\nCMD x\n" },
      async (dir) => {
        const failed = await build(dir);
        assert.match(failed.stderr, /last words/);
        assert.match(
          failed.stderr,
          /Dockerfile:3\n-+\n {3}1 \| {5}FROM busybox\n {3}2 \|\n {3}3 \| >>> RUN echo/,
        );
        assert.match(failed.stderr, /ERROR: failed to solve: process .* exit code: 3\n$/);
      },
    ));

  test("a terminal gets a list that is redrawn, rawjson documents", () =>
    withContext({ Dockerfile: "FROM busybox\nRUN echo hello\n" }, async (dir) => {
      const live = daemon.onTerminal(berth, ["build", "--no-cache", dir], { env });
      await live.prints(/\[\+\] Building [\d.]+s \(\d+\/\d+\) FINISHED/);
      assert.equal((await live.ended).status, 0);
      const raw = await build("--progress", "rawjson", "--no-cache", dir);
      const documents = raw.stderr
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      const names = documents.flatMap((d) => d.vertexes ?? []).map((v) => v.name);
      assert(names.includes("[2/2] RUN echo hello"), names.join());
    }));
});

test("--check judges the Dockerfile and builds nothing", () =>
  withContext({ Dockerfile: "FROM busybox AS Base\nRUN false\n" }, async (dir) => {
    const flawed = await daemon.run(berth, ["build", "--check", dir]);
    assert.equal(flawed.status, 1, flawed.stderr);
    assert.match(flawed.stdout + flawed.stderr, /StageNameCasing[^]*Stage name 'Base' should be lowercase/);
    await writeFile(join(dir, "Dockerfile"), "FROM busybox\nRUN false\n");
    const clean = await daemon.run(berth, ["build", "--check", dir]);
    assert.equal(clean.status, 0, clean.stderr);
    assert.match(clean.stdout + clean.stderr, /Check complete, no warnings found\./);
    await writeFile(join(dir, "Dockerfile"), "FROM busybox as base\nCOPY --nope a b\nCMD c\n");
    const broken = await daemon.run(berth, ["build", "--check", dir]);
    assert.equal(broken.status, 1);
    assert.match(broken.stdout, /^Check complete, 1 warning has been found!\n\nWARNING: FromAsCasing/);
    assert.match(
      broken.stderr,
      /ERROR: dockerfile parse error on line 2: unknown flag: --nope\nDockerfile:2\n/,
    );
    const document = await daemon.run(berth, ["build", "--call=check,format=json", dir]);
    assert.equal(document.status, 1);
    const { warnings, buildError } = JSON.parse(document.stdout);
    assert.deepEqual([warnings.length, buildError.location.ranges[0].start.line], [1, 2]);
  }));

test("a stage that is not there is told with the one that was meant", () =>
  withContext({ Dockerfile: "FROM busybox AS base\nFROM scratch\nCOPY --from=bse /a /b\n" }, async (dir) => {
    const target = await daemon.run(berth, ["build", "--target", "basse", dir], { env });
    assert.match(target.stderr, /target stage "basse" could not be found \(did you mean base\?\)/);
    const from = await daemon.run(berth, ["build", dir], { env });
    assert.match(from.stderr, /invalid from flag value bse \(did you mean base\?\): /);
    assert.deepEqual([target.status, from.status], [1, 1]);
  }));

test("--call tells what a Dockerfile takes and which targets it has", () =>
  withContext(
    { Dockerfile: "# one the first\nFROM nowhere.invalid/x AS one\n# A an argument\nARG A=1\nFROM one\n" },
    async (dir) => {
      const call = async (...args: string[]): Promise<string> => {
        const { status, stdout, stderr } = await daemon.run(berth, ["build", ...args, dir]);
        assert.equal(status, 0, stderr);
        return stdout;
      };
      assert.equal(await call("--call=targets"), "TARGET    DESCRIPTION\none       the first\n(default) \n");
      assert.equal(
        await call("--call=outline", "--build-arg", "A=2", "--target", "one"),
        "TARGET:      one\nDESCRIPTION: the first\n\nBUILD ARG   VALUE   DESCRIPTION\nA           2       an argument\n\n",
      );
      assert.equal(JSON.parse(await call("--call=targets,format=json")).targets.length, 2);
      const unknown = await daemon.run(berth, ["build", "--call=nothing", dir]);
      assert.match(unknown.stderr, /--call nothing is not known/);
      assert.notEqual(unknown.status, 0);
    },
  ));

test("the build cache is listed and pruned through the control service, as buildx does", () =>
  withContext(
    { Dockerfile: "FROM busybox\nRUN --mount=type=cache,target=/c echo 1 > /c/x\n" },
    async (dir) => {
      assert.equal((await daemon.run(berth, ["build", dir])).status, 0);
      const { socket } = await createClient({ host: `unix://${daemon.socket}` }).hijack(buildControl, {});
      const grpc = new GrpcClient(socket);
      const usage = async (...filter: string[]) => {
        const types = { request: diskUsageRequest, response: diskUsageResponse };
        return (await grpc.unary(CONTROL_METHODS.diskUsage, types, { filter })).record;
      };
      try {
        const [mount] = await usage("type==exec.cachemount", "description==cached mount /c");
        assert.equal(mount?.description, "cached mount /c");
        assert.equal(mount?.isMutable, true);
        assert((mount?.createdAt?.seconds ?? 0) > 1_700_000_000);
        assert((await usage()).length > 1);
        const call = grpc.start(CONTROL_METHODS.prune);
        await call.messages.send(
          pruneRequest.encode({ filter: [`id~=${mount?.id?.slice(0, 9)}`], all: true }),
        );
        call.end();
        const gone = usageRecord.decode((await call.messages.next()) ?? assert.fail("nothing was removed"));
        assert.equal(gone.id, mount?.id);
        assert.equal(await call.messages.next(), undefined);
        assert.deepEqual(await usage(`id==${mount?.id}`), []);
        await assert.rejects(usage("size~=1"), /invalid filter "size~=1"/);
      } finally {
        grpc.close();
      }
    },
  ));

/** What a client with a context in `dir` serves. */
const filesOf = (dir: string): Parameters<typeof openSession>[1] => ({
  directories: new Map([
    ["context", dir],
    ["dockerfile", dir],
  ]),
  uploads: new Map(),
  stores: new Map(),
  secrets: [],
  agents: new Map(),
  config: {},
  sharedKey: "",
});

test("a client that drives the frontend through the gateway, as buildx does", () =>
  withContext({ Dockerfile: "FROM busybox\nCOPY f /f\n", f: "F" }, async (dir) => {
    const client = createClient({ host: `unix://${daemon.socket}` });
    const session = await openSession(client, filesOf(dir));
    const { socket } = await client.hijack(buildControl, {});
    const grpc = new GrpcClient(socket);
    try {
      const none = { request: empty, response: listWorkersResponse };
      const { record } = await grpc.unary(CONTROL_METHODS.listWorkers, none, {});
      assert.equal(record[0]?.platforms?.[0]?.os, "linux");
      // Without it buildx refuses layouts, caches, attestations and several platforms by itself.
      assert("org.mobyproject.buildkit.worker.snapshotter" in (record[0]?.labels ?? {}));
      const metadata = { [BUILD_ID_KEY]: "build-1" };
      const exporters = [{ type: "moby", attrs: { name: "by-gateway,by-gateway:two" } }];
      const solved = grpc.unary(
        CONTROL_METHODS.solve,
        { request: solveRequest, response: solveResponse },
        { ref: "build-1", session: session.id, exporters },
      );
      const pong = await grpc.unary(
        GATEWAY_METHODS.ping,
        { request: empty, response: pongResponse },
        {},
        { metadata },
      );
      assert(pong.frontendCaps.some((cap) => cap.id === "return" && cap.isEnabled === true));
      const types = { request: gatewaySolveRequest, response: gatewaySolveResponse };
      const frontend = { frontend: "dockerfile.v0", frontendOpt: { filename: "Dockerfile" } };
      const { result } = await grpc.unary(GATEWAY_METHODS.solve, types, frontend, { metadata });
      const back = { request: returnRequest, response: empty };
      await grpc.unary(
        GATEWAY_METHODS.return,
        back,
        { result: { ref: { id: result?.ref?.id ?? "" } } },
        { metadata },
      );
      const { exporterResponse } = await solved;
      assert.equal(
        exporterResponse["image.name"],
        "docker.io/library/by-gateway:latest,docker.io/library/by-gateway:two",
      );
      const read = await daemon.text(berth, ["run", "--rm", "by-gateway:two", "cat", "/f"]);
      assert.equal(read, "F");
    } finally {
      grpc.close();
      session.close();
    }
  }));

test("a session that is opened through a call serves a build, as bake has it", () =>
  withContext({ Dockerfile: "FROM busybox\nCOPY f /f\n", f: "F" }, async (dir) => {
    const { socket } = await createClient({ host: `unix://${daemon.socket}` }).hijack(buildControl, {});
    const grpc = new GrpcClient(socket);
    const through = {
      hijack: async (_: unknown, { uuid, methods }: { uuid: string; methods: string[] }) => {
        const { id, sharedKey, methods: served } = SESSION_HELLO_KEYS;
        const metadata = { [id]: uuid, [sharedKey]: "", [served]: methods };
        return { socket: byteStream(grpc.start(CONTROL_METHODS.session, { metadata })) };
      },
    };
    const session = await openSession(through as unknown as ReturnType<typeof createClient>, filesOf(dir));
    try {
      const types = { request: solveRequest, response: solveResponse };
      await grpc.unary(CONTROL_METHODS.solve, types, {
        ref: "through-a-call",
        session: session.id,
        frontend: "dockerfile.v0",
        frontendAttrs: { filename: "Dockerfile" },
        exporters: [{ type: "moby", attrs: { name: "through-a-call" } }],
      });
      assert.equal(await daemon.text(berth, ["run", "--rm", "through-a-call", "cat", "/f"]), "F");
    } finally {
      session.close();
      grpc.close();
    }
  }));

test("--explain says which input of a step has changed since the last build of the directory", () =>
  withContext({ Dockerfile: "FROM busybox\nCOPY . /app\nRUN cat /app/a\n", a: "1" }, async (dir) => {
    const explained = async () => {
      const { status, stderr } = await daemon.run(berth, ["build", "--progress=plain", "--explain", dir]);
      assert.equal(status, 0, stderr);
      return [...stderr.matchAll(/explain: (.*)/g)].map((m) => m[1]);
    };
    await writeFile(join(dir, ".dockerignore"), "Dockerfile\n.dockerignore\n");
    assert.deepEqual(await explained(), [
      "run: it was not run here before",
      "run: it was not run here before",
    ]);
    const now = new Date();
    await utimes(join(dir, "a"), now, now);
    assert.match((await explained()).join(), /^not run: .*,not run: [^,]*, nothing/);
    await writeFile(join(dir, "a"), "2");
    assert.deepEqual(await explained(), [
      "run: file a changed",
      'run: the root it starts from changed with "COPY . /app"',
    ]);
  }));

test("--debug opens a shell with what the failing step found, and leaves nothing behind", () =>
  withContext(
    {
      Dockerfile:
        "FROM busybox\nARG WHO=me\nWORKDIR /srv\nRUN echo made > made\nUSER 1000\nENV A=b\nRUN echo never > /tmp/never && exit 3\n",
    },
    async (dir) => {
      const images = async () => (await daemon.run(berth, ["images", "-aq", "--no-trunc"])).stdout;
      const before = await images();
      const input = 'pwd; id -u; cat made; echo "$A $WHO"; ls; ls /tmp; exit 4\n';
      const debugged = await daemon.run(berth, ["build", "--debug", dir], { input });
      assert.equal(debugged.status, 1, "the build has failed, whatever the shell says");
      assert.equal(debugged.stdout, "/srv\n1000\nmade\nb me\nmade\n");
      assert.match(debugged.stderr, /exit code: 3[\s\S]*A shell in the state before this step/);
      assert.equal(await images(), before);
      // A COPY that fails has a state as well; where nothing was made there is none.
      await writeFile(join(dir, "Dockerfile"), "FROM busybox\nRUN echo x > /x\nCOPY none /\n");
      const copy = await daemon.run(berth, ["build", "--debug", dir], { input: "cat /x\n" });
      assert.equal(copy.stdout, "x\n");
      await writeFile(join(dir, "Dockerfile"), "FROM scratch\nCOPY none /\n");
      const nothing = await daemon.run(berth, ["build", "--debug", dir], { input: "" });
      assert.match(nothing.stderr, /There is no state to open a shell in/);
    },
  ));

test("the shell of --debug has the mounts, the network and the rights of the step", () =>
  withContext(
    {
      Dockerfile: `FROM busybox AS lib
RUN echo lib > /file
FROM busybox
RUN --mount=type=cache,target=/cache echo kept > /cache/old
RUN --network=none --security=insecure --mount=type=cache,target=/cache --mount=type=secret,id=tok \\
  --mount=type=secret,id=tok,env=TOK --mount=type=ssh --mount=type=bind,from=lib,target=/lib1 \\
  --mount=type=bind,target=/context --mount=type=tmpfs,target=/scratch echo never > /never && exit 3
`,
      file: "of the context\n",
      token: "a secret\n",
    },
    async (dir) => {
      const socket = join(dir, "agent.sock");
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      const allowed = ["--allow", "security.insecure", "--ssh", `default=${socket}`];
      const secret = ["--secret", `id=tok,src=${join(dir, "token")}`];
      const debug = (...commands: string[]) =>
        daemon.run(berth, ["build", "--debug", ...allowed, ...secret, dir], { input: commands.join("\n") });
      try {
        const first = await debug(
          "cat /run/secrets/tok /cache/old /lib1/file /context/file",
          'echo "$TOK"; test -S $SSH_AUTH_SOCK && echo agent',
          "grep -c ' /scratch tmpfs' /proc/mounts",
          "wc -l < /proc/net/route",
          "mount -t tmpfs none /tmp && echo mounted",
          "test -e /never || echo before",
          "echo by hand > /cache/old",
        );
        assert.equal(first.status, 1);
        const words = ["a secret", "kept", "lib", "of the context", "a secret", "", "agent"];
        assert.deepEqual(first.stdout.trimEnd().split("\n"), [...words, "1", "1", "mounted", "before"]);
        // The cache is the one that other builds have.
        assert.equal((await debug("cat /cache/old")).stdout, "by hand\n");
      } finally {
        server.close();
      }
    },
  ));

test("the shell of --debug is on the user's terminal, and a user who is gone ends it", () => {
  // A cache that one step at a time has: who does not leave it keeps the next from starting.
  const cache = "--mount=type=cache,target=/only,sharing=locked";
  return withContext(
    { Dockerfile: `FROM busybox\nRUN echo word > /word\nRUN ${cache} exit 3\n` },
    async (dir) => {
      const live = daemon.onTerminal(berth, ["build", "--debug", dir]);
      await live.prints("/ # ");
      live.stdin.write("test -t 0 && cat /word /word | tr w W; exit\n");
      await live.prints(/Word\r\nWord\r\n/);
      const { status, stdout } = await live.ended;
      assert.equal(status, 1);
      assert.match(stdout, /ERROR: failed to solve: .*exit code: 3/);

      const left = daemon.onTerminal(berth, ["build", "--debug", dir]);
      await left.prints("/ # ");
      left.kill("SIGKILL");
      await left.ended;
      const next = await daemon.run(berth, ["build", "--debug", dir], { input: "cat /word\n" });
      assert.equal(next.stdout, "word\n");
    },
  );
});

for (const [way, how] of [
  ["BuildKit's services", env],
  ["the classic operation", { DOCKER_BUILDKIT: "0" }],
] as const)
  test(`a build over ${way} ends with its client`, () =>
    withContext(
      {
        Dockerfile:
          "FROM busybox\nARG TIME\nRUN --mount=type=cache,target=/only,sharing=locked echo started && sleep $TIME\n",
      },
      async (dir) => {
        const args = (time: string) => ["build", "--no-cache", "--build-arg", `TIME=${time}`, dir];
        const live = daemon.live(berth, args("1000"), { env: how });
        await live.prints(/^(?:#\d+ [\d.]+ )?started$/m);
        live.kill("SIGKILL");
        await live.ended;
        // The cache is free when the step has ended.
        const next = await daemon.run(berth, args("0"), { env: how });
        assert.equal(next.status, 0, next.stderr);
      },
    ));
