// RUN --mount, named contexts, --parents and the two dialects, over fakes.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Fault } from "../lib/errors.ts";
import { parseImageConfig } from "../oci/image-config.ts";
import { type TestFile, tarStream } from "./_test-tar.ts";
import { buildImage } from "./build-image.ts";
import type { BuildEvent } from "./events.ts";
import type { BuildRequest } from "./request.ts";
import type { BuildClient, StepMount, StepRequest } from "./solver/ports.ts";
import { FakePorts } from "./solver/ports-fake.ts";

let ports: FakePorts;
let steps: StepRequest[] = [];

beforeEach(() => {
  ports = new FakePorts();
  ports.addImage("base", { "bin/sh": "shell", "etc/passwd": "root:x:0:0::/:\nweb:x:33:34::/:\n" });
  steps = [];
  ports.step = (_, request) => {
    steps.push(request);
    return 0;
  };
});

afterEach(() => {
  assert.equal(ports.layers.openDrafts, 0, "drafts left");
  assert.equal(ports.layers.openSessions, 0, "sessions left");
  for (const scratch of ports.scratches) assert.equal(existsSync(scratch), false, "scratch left");
  ports.layers.remove();
});

async function build(
  dockerfile: string,
  files: Readonly<Record<string, TestFile>> = {},
  request: Partial<BuildRequest> = {},
): Promise<BuildEvent[]> {
  const events: BuildEvent[] = [];
  const context = tarStream({ Dockerfile: dockerfile, ...files });
  const signal = new AbortController().signal;
  await buildImage({ context, ...request }, ports, { signal, onEvent: (event) => events.push(event) });
  return events;
}

const failure = async (dockerfile: string, request?: Partial<BuildRequest>): Promise<Fault> => {
  try {
    await build(dockerfile, {}, request);
  } catch (error) {
    assert(error instanceof Fault, String(error));
    return error;
  }
  return assert.fail("the build succeeded");
};

/** A client with these secrets, and an agent called "default". */
function client(secrets: Readonly<Record<string, string>>): BuildClient {
  return {
    secret: async (id) => (Object.hasOwn(secrets, id) ? Buffer.from(secrets[id] as string) : undefined),
    hasAgent: async (id) => id === "default",
    openTerminal: async () => undefined,
    connectAgent: () => Promise.reject(new Error("nobody connects in this test")),
    sendDirectory: () => Promise.reject(new Error("no directory in this test")),
  };
}

const cachedCount = (events: readonly BuildEvent[]) => events.filter((e) => e.type === "cached").length;
const lastConfig = () => parseImageConfig(ports.created.at(-1)?.config as Uint8Array);
const mountsOf = (step: StepRequest | undefined) =>
  (step?.mounts ?? []).map((m: StepMount) => [m.kind, m.target, m.isMissing]);

test("a secret reaches the command and nothing else", async () => {
  const dockerfile =
    "FROM base\nRUN --mount=type=secret,id=token,target=/t --mount=type=secret,id=token,env=TOKEN use it\n";
  const first = await build(dockerfile, {}, { client: client({ token: "s3cr3t" }) });
  const [step] = steps;
  assert.deepEqual(mountsOf(step), [["file", "/t", true]]);
  assert.equal(
    Buffer.from(
      (step as unknown as { mounts: { content: Uint8Array }[] }).mounts[0]?.content ?? "",
    ).toString(),
    "s3cr3t",
  );
  assert(step?.env.includes("TOKEN=s3cr3t"));
  const kept = [...ports.cacheRecords].map((r) => JSON.stringify(r)).join("\n");
  const images = ports.created.map((i) => Buffer.from(i.config).toString()).join("\n");
  assert.doesNotMatch(kept + images + JSON.stringify(first), /s3cr3t/);
  // Another value is no other step.
  assert.equal(cachedCount(await build(dockerfile, {}, { client: client({ token: "other" }) })), 1);
});

test("a secret that is missing is left out, or refused where it is required", async () => {
  await build("FROM base\nRUN --mount=type=secret,id=x a\n", {}, { client: client({}) });
  assert.deepEqual(mountsOf(steps[0]), []);
  assert.equal(
    (await failure("FROM base\nRUN --mount=type=secret,id=x,required b\n")).message,
    "secret x: not found",
  );
  const ssh = await failure("FROM base\nRUN --mount=type=ssh,required c\n");
  assert.equal(ssh.message, "unset ssh forward key default");
});

test("an ssh agent is a socket whose path the environment tells", async () => {
  await build("FROM base\nRUN --mount=type=ssh,uid=3 git\n", {}, { client: client({}) });
  assert.deepEqual(mountsOf(steps[0]), [["socket", "/run/buildkit/ssh_agent.0", true]]);
  assert(steps[0]?.env.includes("SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"));
});

test("a bind mount is a part of what the step's result depends on, as content", async () => {
  const dockerfile = "FROM base\nRUN --mount=source=d,target=/in read\n";
  await build(dockerfile, { "d/f": "1", other: "1" });
  const mount = steps[0]?.mounts[0];
  assert(mount?.kind === "directory" && mount.isReadonly && mount.isMissing && !mount.isFile);
  assert.equal(cachedCount(await build(dockerfile, { "d/f": "1", other: "2" })), 1);
  assert.equal(cachedCount(await build(dockerfile, { "d/f": "2", other: "2" })), 0);
  const missing = await failure("FROM base\nRUN --mount=source=nope,target=/in read\n");
  assert.equal(missing.message, 'failed to compute cache key: "/nope": not found');
});

test("a bind mount takes its files from a stage that is built for it", async () => {
  ports.step = (root, request) => {
    steps.push(request);
    if (request.args.includes("make")) writeFileSync(join(root, "made"), "by the stage");
    return 0;
  };
  await build("FROM base AS maker\nRUN make\nFROM base\nRUN --mount=from=maker,source=/made,target=/m use\n");
  const mount = steps[1]?.mounts[0];
  assert(mount?.kind === "root" && mount.isFile && mount.root.kind === "dir");
  assert.equal(readFileSync(join(mount.root.path, mount.subpath), "utf8"), "by the stage");
});

test("a cache outlives the build, has its owner and first content, and is no part of the key", async () => {
  ports.step = (_, request) => {
    const mount = request.mounts[0];
    assert(mount?.kind === "directory");
    seen.push(readdirSync(mount.path).sort().join());
    writeFileSync(join(mount.path, request.args.at(-1) as string), "");
    return 0;
  };
  const seen: string[] = [];
  const run = (what: string) => `FROM base\nRUN --mount=type=cache,target=/c,from=base,source=/etc ${what}\n`;
  await build(run("one"));
  await build(run("two"));
  assert.deepEqual(seen, ["passwd", "one,passwd"]);
  assert.equal(cachedCount(await build(run("one"))), 1);
});

test("COPY --parents keeps directories, from the root or from behind the pivot", async () => {
  const files = { "a/b/c.txt": "C", "a/b/d.go": "D", "a/e.txt": "E", "x.txt": "X" };
  await build("FROM base\nCOPY --parents a/b/c.txt x.txt /one/\nCOPY --parents a/./**/*.txt /two/\n", files);
  const list = (dir: string) =>
    readdirSync(join(ports.lastRoot, dir), { recursive: true, encoding: "utf8" }).sort();
  assert.deepEqual(list("one"), ["a", "a/b", "a/b/c.txt", "x.txt"]);
  assert.deepEqual(list("two"), ["b", "b/c.txt", "e.txt"]);
  assert.match((await failure("FROM base\nCOPY --parents no/such /x/\n")).message, /"no\/such": not found/);
});

test("--build-context stands in for images, stages and their names", async () => {
  ports.addImage("other", { "etc/other": "" });
  const contexts = { "base:latest": "docker-image://other", tool: "docker-image://base" };
  await build("FROM base AS tool\nRUN never\nFROM base\nCOPY --from=tool /bin/sh /sh\n", {}, { contexts });
  assert.equal(steps.length, 0);
  assert(existsSync(join(ports.lastRoot, "etc/other")));
  assert(existsSync(join(ports.lastRoot, "sh")));
});

test("--no-cache-filter runs the named stages again", async () => {
  const dockerfile = "FROM base AS one\nRUN a\nFROM base\nRUN b\nCOPY --from=one /etc /e\n";
  await build(dockerfile);
  const events = await build(dockerfile, {}, { noCacheFilter: ["one"] });
  assert.equal(cachedCount(events), 2);
  assert.deepEqual(steps.map((s) => s.args.at(-1)).join(""), "aba");
});

test("the history is BuildKit's where the build was asked for with it", async () => {
  const dockerfile =
    'FROM base\nARG A=1\nENV E=$A A=0\nARG A=1\nRUN x\nWORKDIR /w\nCOPY f /f\nEXPOSE 80\nCMD ["c"]\nONBUILD RUN y\n';
  await build(dockerfile, { f: "" }, { dialect: "buildkit", labels: { l: "1" } });
  assert.deepEqual(
    lastConfig()
      .history.slice(1)
      .map((h) => [h.createdBy, h.emptyLayer ?? false, h.comment]),
    [
      ["ARG A=1", true],
      ["ENV E=1 A=0", true],
      ["ARG A=1", true],
      ["RUN |1 A=1 /bin/sh -c x # buildkit", false],
      ["WORKDIR /w", false],
      ["COPY f /f # buildkit", false],
      ["EXPOSE [80/tcp]", true],
      ['CMD ["c"]', true],
    ].map((line) => [...line, "buildkit.dockerfile.v0"]),
  );
  // An ARG behind its ENV hides it.
  assert(steps[0]?.env.includes("A=1") && !steps[0].env.includes("A=0"));
  assert.deepEqual(lastConfig().config.labels, { l: "1" });
  assert.equal(lastConfig().config.argsEscaped, true);
});

const WORDS = "org.mobyproject.buildkit.device";
const addDevice = (id: string, annotations: Record<string, string> = {}) =>
  ports.cdiDevices.set(id, { id, annotations, edits: {}, shared: undefined });

test("RUN --device finds devices by name, kind, wildcard and class, and the cache knows them", async () => {
  for (const name of ["a", "b", "c"]) addDevice(`vendor.com/dev=${name}`);
  addDevice("vendor.com/dev=d", { [`${WORDS}.class`]: "fast" });
  const got = async (device: string) => {
    const at = steps.length;
    await build(`FROM base\nRUN --device=${device} true\n`, {}, { allowed: ["device"] });
    return steps.length === at ? "cached" : steps[at]?.devices.map((id) => id.slice(-1)).join("");
  };
  assert.equal(await got("vendor.com/dev=b,required"), "b");
  assert.equal(await got("vendor.com/dev"), "a");
  assert.equal(await got("name=vendor.com/dev=*,required=true"), "abcd");
  assert.equal(await got("vendor.com/dev=fast"), "d");
  assert.equal(await got("vendor.com/dev=none"), "", "an optional one that is not there");
  assert.equal(await got("vendor.com/dev=b"), "cached", "the same device by the same name");
  assert.equal(await got("vendor.com/dev=a"), "cached", "the same device by another name");
  await build("FROM base\nRUN true\n");
  assert.deepEqual(steps.at(-1)?.devices, []);
});

test("RUN --device: what is missing, wrong or not allowed ends the build before anything runs", async () => {
  addDevice("vendor.com/dev=a");
  addDevice("vendor.com/dev=b", { [`${WORDS}.autoallow`]: "true" });
  const said = async (device: string, allowed: string[] = ["device"]) =>
    (await failure(`FROM base\nRUN true\nRUN --device=${device} true\n`, { allowed })).message;
  assert.match(
    await said("vendor.com/dev=x,required"),
    /^required device "vendor.com\/dev=x" is not registered/,
  );
  assert.match(await said("gpu"), /^invalid device "gpu": "gpu" is not of the form vendor\/class/);
  assert.match(
    await said("vendor.com/dev=a,requird=1"),
    /unexpected key 'requird' in 'requird=1' \(did you mean required\?\)/,
  );
  assert.match(await said("vendor.com/dev=a,name=z"), /device name already set to vendor.com\/dev=a/);
  assert.match(await said("vendor.com/dev=a,required=maybe"), /invalid value for required: maybe/);
  assert.match(
    await said("vendor.com/dev=*", []),
    /^device vendor.com\/dev=a is requested by the build but not allowed/,
  );
  assert.equal(steps.length, 0);
  for (const allowed of [["device=vendor.com/dev=a"], ["device=vendor.com/dev=*"]])
    await build("FROM base\nRUN --device=vendor.com/dev=a true\n", {}, { allowed });
  await build("FROM base\nRUN --device=vendor.com/dev=b true\n");
  assert.deepEqual(
    steps.map((s) => s.devices),
    [["vendor.com/dev=a"], ["vendor.com/dev=b"]],
  );
});

test("what is not executed is refused by name and line before anything runs", async () => {
  const insecure = await failure("FROM base\nRUN --security=insecure true\n");
  assert.match(insecure.message, /security\.insecure is not allowed/);
  assert.equal(steps.length, 0);
  await build("FROM base\nRUN --security=insecure true\n", {}, { allowed: ["security.insecure"] });
  assert.equal(steps[0]?.isInsecure, true);
});
