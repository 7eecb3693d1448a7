import assert from "node:assert/strict";
import { existsSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Fault } from "../lib/errors.ts";
import { parseImageConfig } from "../oci/image-config.ts";
import { type TestFile, tarStream } from "./_test-tar.ts";
import { buildImage } from "./build-image.ts";
import { placesOf } from "./dockerfile/syntax-error.ts";
import type { BuildEvent } from "./events.ts";
import { ClassicRenderer } from "./export/classic-stream.ts";
import type { BuildRequest } from "./request.ts";
import { FakePorts } from "./solver/ports-fake.ts";

let ports: FakePorts;

beforeEach(() => {
  ports = new FakePorts();
  ports.addImage("base", {
    "bin/sh": "shell",
    "etc/passwd": "root:x:0:0::/:\nweb:x:33:34::/:\n",
    "etc/group": "root:x:0:\nstaff:x:50:\nweb:x:34:\n",
  });
});

afterEach(() => {
  assert.equal(ports.layers.openDrafts, 0, "drafts left");
  assert.equal(ports.layers.openSessions, 0, "sessions left");
  for (const scratch of ports.scratches) assert.equal(existsSync(scratch), false, "scratch left");
  ports.layers.remove();
});

interface Outcome {
  imageId: string;
  events: BuildEvent[];
  text: string;
}

async function build(
  dockerfile: string,
  files: Readonly<Record<string, TestFile>> = {},
  request: Partial<BuildRequest> = {},
  signal: AbortSignal = new AbortController().signal,
  events: BuildEvent[] = [],
): Promise<Outcome> {
  const renderer = new ClassicRenderer();
  let text = "";
  const onEvent = (event: BuildEvent): void => {
    events.push(event);
    for (const line of renderer.push(event)) text += (line["stream"] as string | undefined) ?? "";
  };
  const context = tarStream({ Dockerfile: dockerfile, ...files });
  const { imageId } = await buildImage({ context, ...request }, ports, { signal, onEvent });
  return { imageId, events, text };
}

const failure = (
  dockerfile: string,
  files?: Readonly<Record<string, TestFile>>,
  request?: Partial<BuildRequest>,
) =>
  build(dockerfile, files, request).then(
    () => assert.fail("the build succeeded"),
    (error: unknown) => {
      assert(error instanceof Fault, String(error));
      return error;
    },
  );

const lastConfig = () => parseImageConfig(ports.created.at(-1)?.config as Uint8Array);
const read = (path: string) => readFileSync(join(ports.lastRoot, path), "utf8");
const stat = (path: string) => lstatSync(join(ports.lastRoot, path));

test("buildImage returns the base image itself when there is nothing but FROM", async () => {
  const { imageId, text } = await build("FROM base\n");
  assert.equal(imageId, ports.known.get("base")?.id);
  assert.equal(ports.created.length, 0);
  const id = imageId.slice(7, 19);
  assert.equal(text, `Step 1/1 : FROM base\n ---> ${id}\nSuccessfully built ${id}\n`);
});

test("buildImage runs a shell form command with the image's environment and commits what it wrote", async () => {
  ports.step = (root, request) => {
    writeFileSync(join(root, "made"), "by run");
    request.onOutput("stdout", Buffer.from("hello\n"));
    request.onOutput("stderr", Buffer.from("oops\n"));
    return 0;
  };
  const { text } = await build(
    "FROM base\nENV A=1\nWORKDIR /srv\nUSER web\nRUN echo $A\n",
    {},
    { network: "none" },
  );
  const request = ports.requests[0];
  assert.deepEqual(request?.args, ["/bin/sh", "-c", "echo $A"]);
  assert.deepEqual(request?.env, [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "A=1",
  ]);
  assert.equal(request?.cwd, "/srv");
  assert.equal(request?.user, "web");
  assert.equal(request?.network, "none");
  assert.equal(request?.hostname, request?.containerId.slice(0, 12));
  const shown = text.replaceAll(/[0-9a-f]{12}/g, "ID").replaceAll("\u001b", "ESC");
  const tail = [
    "Step 5/5 : RUN echo $A",
    " ---> Running in ID",
    "hello",
    "ESC[91moops",
    "ESC[0mRemoving intermediate container ID",
    " ---> ID",
    "Successfully built ID",
    "",
  ];
  assert(shown.endsWith(tail.join("\n")), shown);
  assert.equal(read("made"), "by run");
  assert(stat("srv").isDirectory());
  assert.deepEqual(
    lastConfig()
      .history.slice(1)
      .map((h) => [h.createdBy, h.emptyLayer ?? false]),
    [
      ["/bin/sh -c #(nop)  ENV A=1", true],
      ["/bin/sh -c #(nop) WORKDIR /srv", false],
      ["/bin/sh -c #(nop)  USER web", true],
      ["/bin/sh -c echo $A", false],
    ],
  );
});

test("buildImage takes every step from the cache the second time and yields the same image", async () => {
  const dockerfile = 'FROM base\nRUN date\nCOPY file /file\nCMD ["x"]\n';
  let runs = 0;
  ports.step = (root) => {
    writeFileSync(join(root, "n"), String(++runs));
    return 0;
  };
  const first = await build(dockerfile, { file: "1" });
  const second = await build(dockerfile, { file: "1" });
  assert.equal(second.imageId, first.imageId);
  assert.equal(second.text.split("Using cache").length - 1, 3);
  const third = await build(dockerfile, { file: "2" });
  assert.equal(third.text.split("Using cache").length - 1, 1);
  assert.equal(runs, 1);
  const fourth = await build(dockerfile, { file: "2" }, { noCache: true });
  assert(!fourth.text.includes("Using cache"));
  assert.equal(runs, 2);
});

test("COPY's cache looks at content and mode, not at times", async () => {
  const dockerfile = "FROM base\nCOPY f /f\n";
  await build(dockerfile, { f: { content: "a", mtimeSec: 1 } });
  const same = await build(dockerfile, { f: { content: "a", mtimeSec: 2, uid: 7 } });
  assert(same.text.includes("Using cache"));
  const mode = await build(dockerfile, { f: { content: "a", mode: 0o755 } });
  assert(!mode.text.includes("Using cache"));
});

test("buildImage reports a failing RUN with its code and the steps before it, and leaves nothing", async () => {
  ports.step = () => 3;
  const fault = await failure("FROM base\nRUN exit 3\n");
  assert.equal(fault.message, "The command '/bin/sh -c exit 3' returned a non-zero code: 3");
  assert.equal(fault.code, "build.step-failed");
  assert.equal(fault.detail["exitCode"], 3);
  assert.equal(fault.detail["line"], 2);
});

test("a later build goes on behind the last good step of a failed one", async () => {
  ports.step = (root, request) => {
    writeFileSync(join(root, "x"), "x");
    return request.args.includes("false") ? 1 : 0;
  };
  await failure("FROM base\nRUN work\nRUN false\n");
  const { text } = await build("FROM base\nRUN work\nRUN true\n");
  assert.equal(text.split("Using cache").length - 1, 1);
});

test("COPY puts files where Docker puts them", async () => {
  await build(
    "FROM base\nCOPY a.txt /x/renamed\nCOPY a.txt /y/\nCOPY dir /z\nCOPY a.txt b.txt /many/\nCOPY *.txt /glob/\n",
    {
      "a.txt": { content: "A", mode: 0o640 },
      "b.txt": "B",
      "dir/": { mode: 0o750 },
      "dir/sub/deep": "D",
      "dir/link": { type: "symlink", linkName: "sub/deep" },
    },
  );
  assert.equal(read("x/renamed"), "A");
  assert.equal(stat("x/renamed").mode & 0o7777, 0o640);
  assert.equal(stat("x/renamed").uid, 0);
  assert.equal(Math.floor(stat("x/renamed").mtimeMs / 1000), 1_700_000_000);
  assert.equal(read("y/a.txt"), "A");
  assert.equal(read("z/sub/deep"), "D");
  assert.equal(readlinkSync(join(ports.lastRoot, "z/link")), "sub/deep");
  assert.equal(existsSync(join(ports.lastRoot, "z/dir")), false);
  assert.equal(read("many/b.txt"), "B");
  assert.equal(read("glob/a.txt") + read("glob/b.txt"), "AB");
});

test("COPY --chown and --chmod name users of the image", async () => {
  await build(
    "FROM base\nCOPY --chown=web:staff --chmod=0600 a /x/a\nCOPY --chown=web a /u\nCOPY --chown=12 a /n\n",
    { a: "A" },
  );
  assert.deepEqual([stat("x/a").uid, stat("x/a").gid, stat("x/a").mode & 0o7777], [33, 50, 0o600]);
  assert.deepEqual([stat("x").uid, stat("x").gid, stat("x").mode & 0o7777], [33, 50, 0o755]);
  assert.deepEqual([stat("n").uid, stat("n").gid], [12, 12]);
});

test("COPY --chown of an unknown user fails with Docker's words", async () => {
  const fault = await failure("FROM base\nCOPY --chown=nobody a /\n", { a: "A" });
  assert.match(
    fault.message,
    /unable to convert uid\/gid chown string to host mapping: can't find uid for user nobody: no such user: nobody/,
  );
});

test("COPY follows a symlink of the image inside the root only", async () => {
  ports.addImage("hostile", {
    "real/x": "1",
    etc: "->/../../../../../../../tmp",
    up: "->../../..",
    data: "->/real",
  });
  await build("FROM hostile\nCOPY a /data/a\nCOPY a /up/a2\nCOPY a /etc/probe-of-the-build-test\n", {
    a: "A",
  });
  assert.equal(read("real/a"), "A");
  assert.equal(read("a2"), "A");
  assert.equal(existsSync("/tmp/probe-of-the-build-test"), false);
  assert.equal(read("tmp/probe-of-the-build-test"), "A");
});

test("COPY of a missing file fails as Docker does", async () => {
  const fault = await failure("FROM base\nCOPY foo /x\n");
  assert.equal(
    fault.message,
    "COPY failed: file not found in build context or excluded by .dockerignore: stat foo: file does not exist",
  );
  const outside = await failure("FROM base\nCOPY ../foo /x\n");
  assert.match(outside.message, /^COPY failed: forbidden path outside the build context: \.\.\/foo/);
  const none = await failure("FROM base\nCOPY *.nope /x\n");
  assert.equal(none.message, "COPY failed: no source files were specified");
});

test("COPY of several files needs a directory", async () => {
  const text =
    "When using COPY with more than one source file, the destination must be a directory and end with a /";
  assert((await failure("FROM base\nCOPY a b /x\n", { a: "", b: "" })).message.endsWith(text));
  assert((await failure("FROM base\nCOPY ? /x\n", { a: "", b: "" })).message.endsWith(text));
});

test("a hostile context stays in its scratch directory", async () => {
  await build("FROM base\nCOPY . /ctx\n", {
    evil: { type: "symlink", linkName: "/etc" },
    "evil/inside": "I",
    abs: { type: "symlink", linkName: "/../../tmp" },
  });
  assert.equal(existsSync("/etc/inside"), false);
  assert.equal(read("ctx/etc/inside"), "I");
  const fault = await failure("FROM base\n", { "../../escape": "x" });
  assert.match(fault.message, /leads out of the context/);
});

test("stages: COPY --from a name, a number, an image; owners kept; only what is needed is built", async () => {
  ports.addImage("tools", { "opt/tool": "T" });
  ports.step = (root, request) => {
    writeFileSync(join(root, `out-${request.args.at(-1)}`), "built");
    return 0;
  };
  const { text } = await build(
    [
      "FROM base AS build",
      "RUN one",
      "FROM base AS unneeded",
      "RUN two",
      "FROM scratch",
      "COPY --from=build /out-one /a",
      "COPY --from=0 /etc /etc2",
      "COPY --from=tools /opt/tool /tool",
    ].join("\n"),
  );
  assert.equal(ports.requests.length, 1);
  assert.equal(read("a"), "built");
  assert.match(read("etc2/passwd"), /^root/);
  assert.equal(read("tool"), "T");
  assert.match(text, /^Step 1\/6 : FROM base AS build\n/);
  assert.match(text, /Step 3\/6 : FROM scratch\n ---> \nStep 4\/6 : COPY --from=build/);
  assert.deepEqual(lastConfig().config.env, [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  ]);
});

test("COPY --from is cached by content: a stage that ran again with the same result changes nothing", async () => {
  ports.step = (root, request) => {
    writeFileSync(join(root, "out"), "same");
    writeFileSync(join(root, "noise"), request.args.at(-1) as string);
    return 0;
  };
  const dockerfile = (n: number) => `FROM base AS b\nRUN ${n}\nFROM base\nCOPY --from=b /out /out\n`;
  await build(dockerfile(1));
  const { text } = await build(dockerfile(2));
  assert.equal(text.split("Using cache").length - 1, 1);
  assert.match(text, /COPY --from=b \/out \/out\n ---> Using cache/);
});

test("a stage may start from another, --target stops, and the target is found by name or number", async () => {
  const dockerfile = 'FROM base AS One\nENV A=1\nCMD ["one"]\nFROM one AS two\nENTRYPOINT ["e"]\nLABEL x=y\n';
  await build(dockerfile);
  assert.deepEqual(lastConfig().config.entrypoint, ["e"]);
  assert.equal(lastConfig().config.cmd, undefined);
  assert(lastConfig().config.env?.includes("A=1"));
  await build(dockerfile, {}, { target: "ONE", noCache: true });
  assert.deepEqual(lastConfig().config.cmd, ["one"]);
  assert.equal(
    (await failure(dockerfile, {}, { target: "three" })).message,
    "failed to reach build target three in Dockerfile",
  );
});

test("build arguments: defaults, overrides, scope, history, warning", async () => {
  const { text } = await build(
    "ARG IMG=nope\nARG X=meta\nFROM $IMG\nARG X\nARG Y=2\nRUN echo $X $Y $Z\nARG HTTP_PROXY\nENV B=$X-$Y\n",
    {},
    { buildArgs: { IMG: "base", Y: "3", Z: "9", HTTPS_PROXY: "secret" } },
  );
  const { env } = ports.requests[0] as (typeof ports.requests)[0];
  assert.deepEqual(env.slice(1).sort(), ["HTTPS_PROXY=secret", "X=meta", "Y=3"]);
  assert(lastConfig().config.env?.includes("B=meta-3"));
  assert.match(text, /\[Warning\] One or more build-args \[Z\] were not consumed/);
  const created = lastConfig().history.map((h) => h.createdBy);
  assert(created.includes("|2 X=meta Y=3 /bin/sh -c echo $X $Y $Z"), String(created));
  assert(!JSON.stringify(lastConfig()).includes("secret"));
});

test("labels of the command line become steps of the target", async () => {
  const { text } = await build("FROM base\n", {}, { labels: { b: "2", a: "1 x" } });
  assert.match(text, /Step 2\/3 : LABEL a=1 x\n/);
  assert.deepEqual(lastConfig().config.labels, { a: "1 x", b: "2" });
});

test("ONBUILD triggers run behind FROM and are gone afterwards", async () => {
  ports.addImage("trigger", { x: "" }, { OnBuild: ["RUN triggered", "COPY f /f"] });
  const { text } = await build("FROM trigger\nENV a=b\n", { f: "F" });
  assert.match(
    text,
    /^Step 1\/2 : FROM trigger\n# Executing 2 build triggers\n ---> Running in \w+\nRemoving intermediate container \w+\n ---> \w+\nStep 2\/2/,
  );
  assert.equal(read("f"), "F");
  assert.equal(lastConfig().config.onBuild, undefined);
});

test("ADD unpacks local archives below the destination and copies what is none", async () => {
  const { tarBytes } = await import("./_test-tar.ts");
  const { gzipSync, zstdCompressSync } = await import("node:zlib");
  const inner = tarBytes({
    "d/": { uid: 5, gid: 6, mode: 0o700 },
    "d/f": { content: "unpacked", uid: 5 },
    out: { type: "symlink", linkName: "/etc" },
    "out/passwd": "overwritten",
    hard: { type: "hardlink", linkName: "d/f" },
  });
  await build("FROM base\nADD a.tar /p/\nADD a.tgz /q\nADD a.zst /r\nADD plain.tar /s/\nCOPY a.tar /t/\n", {
    "a.tar": { content: inner },
    "a.tgz": { content: gzipSync(inner) },
    "a.zst": { content: zstdCompressSync(inner) },
    "plain.tar": "not an archive",
  });
  for (const d of ["p", "q", "r"]) {
    assert.equal(read(`${d}/d/f`), "unpacked");
    assert.equal(stat(`${d}/d/f`).uid, 5);
    assert.equal(read(`${d}/hard`), "unpacked");
    assert.equal(read(`${d}/etc/passwd`), "overwritten");
  }
  assert.match(read("etc/passwd"), /^root/);
  assert.equal(read("s/plain.tar"), "not an archive");
  assert(stat("t/a.tar").isFile());
});

test("ADD downloads, and does not unpack what it downloaded", async () => {
  const { createServer } = await import("node:http");
  const { tarBytes } = await import("./_test-tar.ts");
  const server = createServer((req, res) => {
    res.statusCode = req.url === "/missing" ? 404 : 200;
    res.end(req.url === "/missing" ? "gone" : tarBytes({ f: "x" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    await build(`FROM base\nADD http://127.0.0.1:${port}/a.tar /d/\n`);
    assert(stat("d/a.tar").isFile());
    assert.equal(stat("d/a.tar").mode & 0o7777, 0o600);
    const fault = await failure(`FROM base\nADD http://127.0.0.1:${port}/missing /d/\n`);
    assert.match(fault.message, /^ADD failed: failed to GET .* with status 404 Not Found: gone$/);
    const sum = await failure(
      `FROM base\nADD --checksum=sha256:${"0".repeat(64)} http://127.0.0.1:${port}/a.tar /d/\n`,
    );
    assert.match(sum.message, /digest mismatch/);
  } finally {
    server.close();
  }
});

test(".dockerignore takes Dockerfile and itself out of the context", async () => {
  await build("FROM base\nCOPY . /c/\n", { ".dockerignore": "Dockerfile\n.dockerignore\n", x: "" });
  assert.equal(existsSync(join(ports.lastRoot, "c/Dockerfile")), false);
  assert.equal(existsSync(join(ports.lastRoot, "c/.dockerignore")), false);
  assert(stat("c/x").isFile());
});

test("heredocs: script, several, file contents", async () => {
  await build(
    "FROM base\nARG V=7\nRUN <<EOF\nset -e\necho hi\nEOF\nRUN cat <<A > /x\na\nA\nRUN <<S\n#!/usr/bin/env python3\nS\nCOPY <<F <<'G' /f/\n$V\nF\n$V\nG\n",
  );
  assert.deepEqual(ports.requests[0]?.args, ["/bin/sh", "-c", "set -e\necho hi\n"]);
  assert.deepEqual(ports.requests[1]?.args, ["/bin/sh", "-c", "cat <<A > /x\na\nA"]);
  assert.deepEqual(ports.requests[2]?.args, ["/dev/pipes/S"]);
  assert.deepEqual(ports.requests[2]?.files, [
    { path: "/dev/pipes/S", content: "#!/usr/bin/env python3\n", mode: 0o755 },
  ]);
  assert.equal(read("f/F"), "7\n");
  assert.equal(read("f/G"), "$V\n");
});

test("with --cache-from the named images alone are looked into, missing ones passed over", async () => {
  const dockerfile = "FROM base\nENV A=b\nRUN one\nCOPY f /f\n";
  ports.step = (root) => {
    writeFileSync(join(root, "made"), String(ports.requests.length));
    return 0;
  };
  await build(dockerfile, { f: "1" });
  const made = ports.created.at(-1);
  const config = parseImageConfig(made?.config as Uint8Array);
  ports.known.set("earlier", { id: "sha256:e", config, layers: made?.layers ?? [], name: "earlier" });
  const cached = async (cacheImages: string[], files = { f: "1" }) =>
    (await build(dockerfile, files, { cacheImages })).text.split("Using cache").length - 1;
  assert.equal(await cached(["nosuch", "earlier"]), 3);
  assert.equal(await cached(["earlier"], { f: "2" }), 2);
  assert.equal(await cached(["nosuch"]), 0);
});

test("messages about the Dockerfile are Docker's", async () => {
  assert.equal((await failure("")).message, "the Dockerfile (Dockerfile) cannot be empty");
  assert.equal((await failure("RUN true\n")).message, "no build stage in current context");
  assert.equal((await failure("# only\n")).message, "failed to parse Dockerfile: file with no instructions");
  assert.equal(
    (await failure("FROM base\n\nRUNN x\n")).message,
    "dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)",
  );
  assert.equal(
    (await failure("", {}, { dockerfile: "Other" })).message,
    "Cannot locate specified Dockerfile: Other",
  );
  assert.equal(
    (await failure("FROM scratch\n")).message,
    "No image was generated. Is your Dockerfile empty?",
  );
});

test("parallel stages overlap, equal steps are done once, and the output is not mixed", async () => {
  let running = 0;
  let most = 0;
  ports.step = async (root, request) => {
    most = Math.max(most, ++running);
    for (let i = 0; i < 5; i++) {
      request.onOutput("stdout", Buffer.from(`${request.args.at(-1)} ${i}\n`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    writeFileSync(join(root, request.args.at(-1) as string), "");
    running--;
    return 0;
  };
  const { text } = await build(
    "FROM base AS a\nRUN same\nRUN a\nFROM base AS b\nRUN same\nRUN b\nFROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n",
  );
  assert.equal(most, 2);
  assert.deepEqual(
    ports.requests.map((r) => r.args.at(-1) ?? "").sort((x, y) => (x < y ? -1 : 1)),
    ["a", "b", "same"],
  );
  assert.match(text, /a 0\na 1\na 2\na 3\na 4\nRemoving/);
  assert.match(text, /b 0\nb 1\nb 2\nb 3\nb 4\nRemoving/);
  const steps = [...text.matchAll(/^Step (\d+)/gm)].map((m) => Number(m[1]));
  assert.deepEqual(steps, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("the first failure of parallel stages wins and stops the others", async () => {
  ports.step = (_root, request) => {
    if (request.args.includes("bad")) return 9;
    return new Promise((_, reject) =>
      request.signal.addEventListener("abort", () => reject(request.signal.reason)),
    );
  };
  const fault = await failure(
    "FROM base AS a\nRUN slow\nFROM base AS b\nRUN bad\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n",
  );
  assert.equal(fault.code, "build.step-failed");
});

test("an aborted build ends as cancelled and leaves nothing", async () => {
  const controller = new AbortController();
  ports.step = (_root, request) =>
    new Promise((_, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason));
      controller.abort(new Error("client is gone"));
    });
  await assert.rejects(build("FROM base\nRUN sleep\n", {}, {}, controller.signal), { kind: "cancelled" });
});

test("what BuildKit refuses is refused in its words where it was asked", async () => {
  const request = { dialect: "buildkit" } as const;
  const cases: [dockerfile: string, message: string][] = [
    ["FROM base\nCOPY foo /x\n", 'failed to compute cache key: "/foo": not found'],
    ["FROM base\nADD ../d/foo /x\n", 'failed to compute cache key: "/d/foo": not found'],
    ["FROM base AS a\nFROM base\nCOPY --from=a foo /x\n", "lstat /foo: no such file or directory"],
    ["FROM base\nCOPY --from=3 / /\n", "invalid stage index 3"],
    [
      "FROM base AS a\nCOPY --from=B / /\nFROM base AS b\nCOPY --from=a / /\n",
      "circular dependency detected on stage: a",
    ],
    ["FROM base AS b\nFROM base\nCOPY --from=1 / /\n", "circular dependency detected on stage: stage-1"],
    [
      "FROM base AS Base2\nFROM Base2\n",
      'failed to parse stage name "Base2": invalid reference format: repository name (library/Base2) must be lowercase',
    ],
    ["ARG A\n", "dockerfile contains no stages to build"],
  ];
  for (const [dockerfile, message] of cases)
    await assert.rejects(build(dockerfile, {}, request), { message }, dockerfile);
  const circle = "FROM base AS a\nCOPY --from=b / /\nFROM base AS b\nCOPY --from=a / /\n";
  await assert.rejects(build(circle, {}, request), (error: Fault) => {
    assert.deepEqual(placesOf(error), [
      { start: 2, end: 2 },
      { start: 4, end: 4 },
    ]);
    return true;
  });
  const later = "FROM base AS a\nCOPY --from=b / /\nFROM base AS b\n";
  await assert.rejects(build(later, {}, { ...request, target: "a" }), {
    message: 'cannot copy from stage "b", it needs to be defined before current stage "a"',
  });
});

test("a build that cannot begin tells nevertheless what was found before", async () => {
  const rulesOf = async (dockerfile: string): Promise<string[]> => {
    const events: BuildEvent[] = [];
    await assert.rejects(build(dockerfile, {}, { dialect: "buildkit" }, undefined, events));
    return events.flatMap((e) => (e.type === "warning" ? [e.message.split(":", 1)[0] as string] : []));
  };
  assert.deepEqual(await rulesOf("FROM base as a\nFOO\n"), ["FromAsCasing"]);
  assert.deepEqual(await rulesOf("FROM base as A\nFROM A\n"), [
    "StageNameCasing",
    "FromAsCasing",
    "InvalidDefaultArgInFrom",
  ]);
});

test("a layer that is gone is made again", async () => {
  ports.step = (root) => {
    writeFileSync(join(root, "x"), "");
    return 0;
  };
  await build("FROM base\nRUN a\n");
  const { rmSync } = await import("node:fs");
  rmSync(ports.lastRoot, { recursive: true });
  const { text } = await build("FROM base\nRUN a\n");
  assert(!text.includes("Using cache"));
});

test("pull progress comes behind its step and errors of images are passed on", async () => {
  const { events } = await build("FROM base\n");
  const types = events.map((e) => e.type);
  assert(types.indexOf("pull") > types.indexOf("step"));
  assert.match((await failure("FROM missing\n")).message, /^pull access denied for missing/);
  assert.match(
    (await failure("FROM base\nCOPY --from=missing / /\n")).message,
    /^invalid from flag value missing: pull access/,
  );
  assert.equal(
    (await failure("FROM base\nCOPY --from=3 / /\n")).message,
    "invalid from flag value 3: index out of bounds",
  );
});

test("COPY --exclude leaves out, --link does not follow symlinks of the image", async () => {
  ports.addImage("linked", { "real/x": "", dst: "->/real" });
  await build("FROM linked\nCOPY --exclude=*.md --exclude=sub/deep d /e/\nCOPY --link d/a.txt /dst/\n", {
    "d/a.txt": "A",
    "d/b.md": "",
    "d/sub/deep/f": "",
    "d/sub/g": "G",
  });
  assert.equal(existsSync(join(ports.lastRoot, "e/b.md")), false);
  assert.equal(existsSync(join(ports.lastRoot, "e/sub/deep")), false);
  assert.equal(read("e/sub/g"), "G");
  assert(stat("dst").isDirectory());
  assert.equal(existsSync(join(ports.lastRoot, "real/a.txt")), false);
});

test("what would grow without bound is refused", async () => {
  const doubling = `FROM base\nENV A=${"x".repeat(30_000)}\n${"ENV A=$A$A\n".repeat(10)}`;
  assert.match((await failure(doubling)).message, /expansion is longer than/);
  const many = `FROM base\nENV A=${"x".repeat(60_000)}\n${Array.from({ length: 80 }, (_, i) => `ENV B${i}=$A\n`).join("")}`;
  assert.match((await failure(many)).message, /environment and labels are larger than/);
  ports.step = (root, request) => {
    writeFileSync(join(root, "n"), request.args.at(-1) as string);
    return 0;
  };
  const deep = `FROM base\n${Array.from({ length: 130 }, (_, i) => `RUN ${i}\n`).join("")}`;
  assert.equal((await failure(deep)).message, "max depth exceeded");
});

test("a Dockerfile of two thousand steps is solved", async () => {
  const { text } = await build(`FROM base\n${"ENV A=1\n".repeat(1_999)}`);
  assert.match(text, /Step 2000\/2000 : ENV A=1\n/);
  assert.equal(lastConfig().history.length, 2000);
});

test("an equal step of two builds at the same time is done once", async () => {
  const running = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  ports.step = async (root) => {
    writeFileSync(join(root, "made"), "once");
    running.resolve();
    await gate.promise;
    return 0;
  };
  const first = build("FROM base\nRUN make\n");
  await running.promise;
  const second = build("FROM base\nRUN make\nLABEL a=b\n");
  gate.resolve();
  const [one, two] = await Promise.all([first, second]);
  assert.equal(ports.requests.length, 1);
  assert.equal(one.events.filter((e) => e.type === "cached").length, 0);
  assert.equal(two.events.filter((e) => e.type === "cached").length, 1);
});

test("a step whose build is cancelled is done by the build that waited for it", async () => {
  const running = Promise.withResolvers<void>();
  const controller = new AbortController();
  ports.step = async (_, request) => {
    if (ports.requests.length > 1) return 0;
    running.resolve();
    return new Promise<number>((_resolve, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason as Error));
    });
  };
  const first = build("FROM base\nRUN make\n", {}, {}, controller.signal);
  const cancelled = assert.rejects(first, { kind: "cancelled" });
  await running.promise;
  const looked = Promise.withResolvers<void>();
  const find = ports.flights.find.bind(ports.flights);
  ports.flights.find = (key) => {
    looked.resolve();
    return find(key);
  };
  const second = build("FROM base\nRUN make\n");
  await looked.promise;
  controller.abort(new Error("client is gone"));
  await cancelled;
  assert.match((await second).imageId, /^sha256:/);
  assert.equal(ports.requests.length, 2);
});

test("with explains every step says why it was run", async () => {
  const request = { dialect: "buildkit", subject: "app", explains: true } as const;
  const dockerfile = "FROM base\nARG V\nCOPY src /src\nRUN make\nWORKDIR /src\n";
  const why = async (file: string, files: Record<string, string>, more: Partial<BuildRequest> = {}) => {
    const { events } = await build(file, files, { ...request, ...more });
    return events.flatMap((e) => (e.type === "note" ? [e.message.replace(/^explain: /, "")] : []));
  };
  ports.step = (root) => {
    writeFileSync(join(root, "made"), readFileSync(join(root, "src/a")));
    return 0;
  };
  const first = "run: it was not run here before";
  const same = "not run: its result is known, nothing that decides about it has changed";
  const files = { "src/a": "1", "src/b": "1" };
  assert.deepEqual(await why(dockerfile, files), [first, first, first]);
  assert.deepEqual(await why(dockerfile, files), [same, same, same]);
  const changed = await why(dockerfile, { "src/a": "2", "src/c": "" });
  assert.deepEqual(changed.slice(0, 2), [
    "run: file src/a changed; file src/c is new; file src/b is gone",
    'run: the root it starts from changed with "COPY src /src"',
  ]);
  const args = await why(dockerfile, { "src/a": "2", "src/c": "" }, { buildArgs: { V: "s3cret" } });
  assert.deepEqual(args.slice(0, 2), [same, "run: variable V is new"]);
  const words = await why(dockerfile.replace("make", "make all"), { "src/a": "2", "src/c": "" });
  assert.equal(words[1], "run: the command changed; variable V is gone");
  const forced = await why(dockerfile, files, { noCache: true });
  assert.equal(forced[0], "run: the cache is not to be used for it");
  ports.cacheRecords.clear();
  const lost = await why(dockerfile, files);
  assert.equal(lost[0], "run: nothing has changed, but its result is no longer in the cache");
});
