// Compose projects through their life: what up makes and what it leaves alone, what the other commands do to it, and what
// is left when it is down.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { ComposeProject } from "./compose-project.ts";
import { TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
const projects: ComposeProject[] = [];

before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());
afterEach(async () => {
  for (const project of projects.splice(0)) await project.remove();
});

function make(name: string, compose: string, files: Readonly<Record<string, string>> = {}): ComposeProject {
  const project = new ComposeProject(daemon, name, { "compose.yaml": compose, ...files });
  projects.push(project);
  return project;
}

const labels = async (id: string): Promise<Record<string, string>> =>
  (await daemon.inspect(id)).Config["Labels"] as Record<string, string>;

const stays = "init: true, stop_grace_period: 0s, command: [sleep, '1000']";

test("up makes networks, volumes and containers with Docker's names and labels, down removes them", async () => {
  const project = make(
    "whole",
    `services:
  web: {image: busybox, ${stays}, depends_on: [db], volumes: ["data:/data"]}
  db: {image: busybox, ${stays}}
volumes: {data: {}}
`,
  );
  await project.compose("up", "-d");
  const ids = await project.ids();
  assert.deepEqual(Object.keys(ids).sort(), ["whole-db-1", "whole-web-1"]);
  const of = await labels("whole-web-1");
  assert.equal(of["com.docker.compose.project"], "whole");
  assert.equal(of["com.docker.compose.service"], "web");
  assert.equal(of["com.docker.compose.container-number"], "1");
  assert.equal(of["com.docker.compose.oneoff"], "False");
  assert.equal(of["com.docker.compose.depends_on"], "db:service_started:false");
  assert.equal(of["com.docker.compose.project.working_dir"], project.directory);
  assert.equal(of["com.docker.compose.project.config_files"], `${project.directory}/compose.yaml`);
  assert.match(of["com.docker.compose.image"] ?? "", /^sha256:[0-9a-f]{64}$/);
  const hashes = await project.compose("config", "--hash", "*");
  assert.ok(hashes.includes(`web ${of["com.docker.compose.config-hash"]}`));
  await daemon.request("GET", "/networks/whole_default").then(({ body }) => {
    const { Labels, Containers } = body as { Labels: Record<string, string>; Containers: object };
    assert.equal(Labels["com.docker.compose.network"], "default");
    assert.equal(Object.keys(Containers).length, 2);
  });
  await project.compose("down", "-t", "0");
  assert.equal((await daemon.request("GET", "/networks/whole_default")).status, 404);
  assert.equal((await daemon.request("GET", "/volumes/whole_data")).status, 200);
  await project.compose("down", "-v");
  assert.equal((await daemon.request("GET", "/volumes/whole_data")).status, 404);
});

test("a second up does nothing, a changed service alone is replaced", async () => {
  const text = (hostname: string): string => `services:
  a: {image: busybox, ${stays}, hostname: ${hostname}}
  b: {image: busybox, ${stays}}
`;
  const project = make("twice", text("one"));
  await project.compose("up", "-d");
  const first = await project.ids();
  await project.compose("up", "-d");
  assert.deepEqual(await project.ids(), first);
  project.write("compose.yaml", text("two"));
  await project.compose("up", "-d");
  const second = await project.ids();
  assert.notEqual(second["twice-a-1"], first["twice-a-1"]);
  assert.equal(second["twice-b-1"], first["twice-b-1"]);
  await project.compose("up", "-d", "--force-recreate", "b");
  const third = await project.ids();
  assert.equal(third["twice-a-1"], second["twice-a-1"]);
  assert.notEqual(third["twice-b-1"], second["twice-b-1"]);
});

test("anonymous volumes go over to the new container unless they are to be new", async () => {
  const text = (hostname: string): string =>
    `services:\n  a: {image: busybox, ${stays}, hostname: ${hostname}, volumes: [/kept]}\n`;
  const project = make("anonymous", text("one"));
  await project.compose("up", "-d");
  await project.compose("exec", "-T", "a", "sh", "-c", "echo kept >/kept/file");
  project.write("compose.yaml", text("two"));
  await project.compose("up", "-d");
  assert.equal(await project.compose("exec", "-T", "a", "cat", "/kept/file"), "kept");
  project.write("compose.yaml", text("three"));
  await project.compose("up", "-d", "-V");
  assert.notEqual((await project.run(["exec", "-T", "a", "cat", "/kept/file"])).status, 0);
});

test("services wait for the health and the end of others", async () => {
  const project = make(
    "order",
    `services:
  web:
    image: busybox
    init: true
    command: sh -c 'cat /shared/ready /shared/done && touch /said && sleep 1000'
    healthcheck: {test: test -e /said, interval: 200ms, retries: 50}
    stop_grace_period: 0s
    volumes: ["shared:/shared"]
    depends_on:
      db: {condition: service_healthy}
      job: {condition: service_completed_successfully}
  db:
    image: busybox
    init: true
    stop_grace_period: 0s
    command: sh -c 'rm -f /shared/ready; sleep 0.5; echo ready >/shared/ready; sleep 1000'
    volumes: ["shared:/shared"]
    healthcheck: {test: test -e /shared/ready, interval: 200ms, retries: 50}
  job:
    image: busybox
    command: sh -c 'sleep 0.3; echo done >/shared/done'
    volumes: ["shared:/shared"]
volumes: {shared: {}}
`,
  );
  await project.compose("up", "-d", "--wait");
  assert.equal(await project.compose("logs", "--no-log-prefix", "web"), "ready\ndone");
});

test("a dependency that fails ends up with its reason, and the next up goes on from there", async () => {
  const text = (code: number): string => `services:
  web: {image: busybox, ${stays}, depends_on: {job: {condition: service_completed_successfully}}}
  job: {image: busybox, command: [sh, -c, "exit ${code}"]}
`;
  const project = make("failing", text(3));
  const failed = await project.run(["up", "-d"]);
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /service "job" didn't complete successfully: exit 3\n$/);
  assert.equal((await daemon.inspect("failing-web-1")).State.Status, "created");
  project.write("compose.yaml", text(0));
  await project.compose("up", "-d");
  assert.equal((await daemon.inspect("failing-web-1")).State.Status, "running");
});

test("a dependency that ends at once has ended, also where nothing checks its health", async () => {
  const project = make(
    "atonce",
    `services:
  web: {image: busybox, ${stays}, depends_on: {job: {condition: service_healthy}}}
  job: {image: busybox, command: [sh, -c, "sleep 0.1; exit 3"]}
`,
  );
  const { status, stderr } = await project.run(["up", "-d"]);
  assert.equal(status, 1);
  assert.match(stderr, /dependency failed to start: container atonce-job-1 exited \(3\)\n$/);
});

test("what restarts with another service waits until that is healthy again", async () => {
  const project = make(
    "again",
    `services:
  db:
    image: busybox
    init: true
    stop_grace_period: 0s
    command: [sh, -c, "rm -f /ready; sleep 1; touch /ready; sleep 1000"]
    healthcheck: {test: [CMD, test, -e, /ready], interval: 200ms, retries: 50}
  web: {image: busybox, ${stays}, depends_on: {db: {condition: service_healthy, restart: true}}}
`,
  );
  await project.compose("up", "-d");
  const { stderr } = await project.run(["restart", "db"]);
  const at = (text: string): number => {
    assert.ok(stderr.includes(text), stderr);
    return stderr.indexOf(text);
  };
  assert.ok(at("Container again-db-1 Healthy") < at("Container again-web-1 Restarting"), stderr);
});

test("a bad file touches nothing", async () => {
  const project = make(
    "bad",
    `services:
  good: {image: busybox, ${stays}}
  web: {image: busybox, networks: [nowhere]}
`,
  );
  const { status, stderr } = await project.run(["up", "-d"]);
  assert.equal(status, 1);
  assert.equal(
    stderr,
    "compose.yaml:3:36: services.web.networks.nowhere: refers to undefined network nowhere\n",
  );
  project.write(
    "compose.yaml",
    `services:
  a: {image: busybox, ports: ["18080:80"]}
  b: {image: busybox, ports: ["127.0.0.1:18080:81"]}
`,
  );
  const clash = await project.run(["up", "-d"]);
  assert.equal(clash.status, 1);
  assert.match(
    clash.stderr,
    /^compose.yaml:3:31: services.b.ports.0: host port 18080\/tcp is already taken by service a\n/,
  );
  assert.equal((await daemon.request("GET", "/networks/bad_default")).status, 404);
  project.write("compose.yaml", "services:\n  a: {image: busybox, restart: allways}\n");
  const value = await project.run(["up", "-d"]);
  assert.equal(value.status, 1);
  assert.match(
    value.stderr,
    /^compose.yaml:2:23: services.a.restart: must be .*\(did you mean "always"\?\)\n/,
  );
  assert.equal((await daemon.request("GET", "/networks/bad_default")).status, 404);
});

test("what only the engine knows to be wrong is told with its place in the file", async () => {
  for (const [line, place] of [
    ["cap_add: [CHOWN, NOTHING]", /NOTHING.* \(compose\.yaml:4:22: services\.a\.cap_add\.1\)/],
    ["pid: nowhere", /nowhere.* \(compose\.yaml:4:10: services\.a\.pid\)/],
    ["stop_signal: NOPE", /NOPE.* \(compose\.yaml:4:18: services\.a\.stop_signal\)/],
  ] as const) {
    const project = make(
      `refused-${line.split(":")[0] ?? ""}`,
      `services:\n  a:\n    image: busybox\n    ${line}\n`,
    );
    const { status, stderr } = await project.run(["create"]);
    assert.equal(status, 1, line);
    assert.match(stderr, place);
  }
});

test("commands that others have and this one has not say why", async () => {
  const project = make("refuses", "services: {a: {image: busybox}}\n");
  for (const args of [
    ["bridge", "convert"],
    ["alpha", "viz"],
  ]) {
    const { status, stderr } = await project.run(args);
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`compose ${args[0]} is not supported: \\w`));
  }
});

test("up in the foreground shows what the services say and stops them at the first interruption", async () => {
  const project = make(
    "front",
    `services:
  one: {image: busybox, init: true, stop_grace_period: 1s, command: [sh, -c, "echo from one; sleep 1000"]}
  three: {image: busybox, init: true, stop_grace_period: 1s, command: [sh, -c, "echo from three >&2; sleep 1000"]}
`,
  );
  const up = project.live(["up"]);
  await up.prints(/one-1 {4}\| from one\n/);
  await up.prints(/three-1 {2}\| from three\n/);
  up.kill("SIGINT");
  const { status, stdout, stderr } = await up.ended;
  assert.match(stdout, /^Attaching to one-1, three-1\n/);
  assert.match(stdout, /one-1 exited with code 143/);
  assert.match(stderr, /Gracefully Stopping... press Ctrl\+C again to force/);
  assert.equal(status, 130);
  assert.equal((await daemon.inspect("front-one-1")).State.Status, "exited");
  assert.equal((await daemon.inspect("front-three-1")).State.Status, "exited");
});

test("up in the foreground goes on when its only container is restarted, and ends when it is stopped", async () => {
  const project = make(
    "staying",
    `services:\n  a: {image: busybox, init: true, stop_grace_period: 0s, command: [sh, -c, 'echo said; sleep 1000']}\n`,
  );
  const up = project.live(["up"]);
  await up.prints(/a-1 {2}\| said\n/);
  await project.compose("restart");
  await up.prints(/a-1 exited with code \d+[^]*a-1 {2}\| said\n/);
  await project.compose("stop");
  const { status, stdout } = await up.ended;
  assert.equal(status, 0);
  assert.match(stdout, /said\n[^]*said\na-1 exited with code \d+\n$/);
});

test("up ends with its containers, or with the first, whose exit code it takes", async () => {
  const project = make(
    "codes",
    `services:
  quick: {image: busybox, command: [sh, -c, "echo quick; exit 7"], depends_on: [slow]}
  slow: {image: busybox, ${stays}}
`,
  );
  const alone = await project.run(["up", "--no-deps", "quick"]);
  assert.equal(alone.status, 0);
  assert.match(alone.stdout, /quick-1 {2}\| quick\nquick-1 exited with code 7\n$/);
  const aborted = await project.run(["up", "--abort-on-container-exit"]);
  assert.equal(aborted.status, 7, aborted.stderr);
  const from = await project.run(["up", "--exit-code-from", "slow"]);
  // Without a grace period either signal may be the first.
  assert.ok(from.status === 137 || from.status === 143, from.stderr);
});

test("what has not started when the first container ends does not start any more", async () => {
  const project = make(
    "halted",
    `services:
  quick: {image: busybox, command: [sh, -c, "exit 7"]}
  never: {image: busybox, ${stays}, depends_on: {well: {condition: service_healthy}}}
  well: {image: busybox, ${stays}, healthcheck: {test: [CMD, "false"], interval: 1h, start_period: 1h}}
`,
  );
  const aborted = await project.run(["up", "--abort-on-container-exit"]);
  assert.equal(aborted.status, 7, aborted.stderr);
  const { stdout } = await project.run(["ps", "-a", "--format", "{{.Service}} {{.State}}"]);
  assert.match(stdout, /^never created$/m);
});

test("run makes containers of its own, with what a service needs", async () => {
  const project = make(
    "once",
    `services:
  tool:
    image: busybox
    environment: {A: file, B: file}
    depends_on: [db]
    secrets: [key]
    configs: [{source: conf, target: /etc/app.conf, mode: 0400}]
    ports: ["18081:80"]
  db: {image: busybox, ${stays}}
secrets: {key: {environment: SECRET_KEY}}
configs: {conf: {content: "level=\${LEVEL:-info}\\n"}}
`,
  );
  const env = { SECRET_KEY: "hush" };
  const shown = "echo $A $B; cat /run/secrets/key; echo; cat /etc/app.conf; stat -c %a /etc/app.conf";
  const { status, stdout } = await project.run(
    ["run", "--rm", "-T", "-e", "B=given", "tool", "sh", "-c", shown],
    { env },
  );
  assert.equal(status, 0);
  assert.equal(stdout, "file given\nhush\nlevel=info\n400\n");
  assert.equal((await daemon.inspect("once-db-1")).State.Status, "running");
  assert.equal(
    (await project.run(["run", "--rm", "-T", "--no-deps", "tool", "sh", "-c", "exit 5"], { env })).status,
    5,
  );
  const names = await project.run(["ps", "-a", "--format", "{{.Name}}"], { env });
  assert.equal(names.stdout, "once-db-1\n");
  const input = await project.run(["run", "--rm", "-T", "--no-deps", "tool", "cat"], {
    env,
    input: "through",
  });
  assert.equal(input.stdout, "through");
});

test("stop, start, restart, pause, kill, scale and rm act on what they are told to", async () => {
  const project = make(
    "acts",
    `services:\n  a: {image: busybox, ${stays}}\n  b: {image: busybox, ${stays}}\n`,
  );
  const states = async (): Promise<Record<string, string>> => {
    const lines = (await project.compose("ps", "-a", "--format", "{{.Name}} {{.State}}"))
      .split("\n")
      .filter(Boolean);
    return Object.fromEntries(lines.map((line) => line.replace("acts-", "").split(" ") as [string, string]));
  };
  await project.compose("create");
  assert.deepEqual(await states(), { "a-1": "created", "b-1": "created" });
  await project.compose("start");
  await project.compose("stop", "-t", "0", "a");
  assert.deepEqual(await states(), { "a-1": "exited", "b-1": "running" });
  await project.compose("start", "a");
  await project.compose("pause", "b");
  assert.deepEqual(await states(), { "a-1": "running", "b-1": "paused" });
  await project.compose("unpause");
  await project.compose("scale", "a=3");
  assert.deepEqual(await states(), {
    "a-1": "running",
    "a-2": "running",
    "a-3": "running",
    "b-1": "running",
  });
  await project.compose("up", "-d", "--scale", "a=1");
  assert.deepEqual(await states(), { "a-1": "running", "b-1": "running" });
  const before = (await daemon.inspect("acts-a-1")).State.StartedAt;
  await project.compose("restart", "-t", "0", "a");
  assert.notEqual((await daemon.inspect("acts-a-1")).State.StartedAt, before);
  await project.compose("kill", "b");
  await project.compose("rm", "-f", "b");
  assert.deepEqual(await states(), { "a-1": "running" });
  await project.compose("rm", "-fs");
  assert.deepEqual(await states(), {});
});

test("ps, ls, port, images, volumes, top and config say what there is", async () => {
  const project = make(
    "looks",
    `services:
  web: {image: busybox, init: true, stop_grace_period: 0s, command: [httpd, -f, -p, '80'], ports: ["127.0.0.1:18082:80"], volumes: ["d:/d", "data:/data"]}
volumes: {data: {}}
`.replace('"d:/d", ', ""),
  );
  await project.compose("up", "-d");
  const table = await project.compose("ps");
  assert.match(
    table,
    /^NAME +IMAGE +COMMAND +SERVICE +CREATED +STATUS +PORTS\nlooks-web-1 +busybox +"httpd -f -p 80" +web +.* ago +Up .* +127\.0\.0\.1:18082->80\/tcp$/,
  );
  const row = JSON.parse(await project.compose("ps", "--format", "json")) as Record<string, unknown>;
  assert.equal(row["Service"], "web");
  assert.equal(row["State"], "running");
  assert.deepEqual(row["Publishers"], [
    { URL: "127.0.0.1", TargetPort: 80, PublishedPort: 18082, Protocol: "tcp" },
  ]);
  assert.equal(await project.compose("port", "web", "80"), "127.0.0.1:18082");
  assert.match(await project.compose("ls"), /\nlooks +running\(1\) +.*compose\.yaml/);
  assert.match(await project.compose("images"), /\nlooks-web-1 +busybox +latest +linux\/amd64 /);
  assert.equal(await project.compose("volumes", "-q"), "looks_data");
  assert.match(await project.compose("top"), /^SERVICE +# +UID[^\n]*\nweb +1 +root/);
  assert.equal(await project.compose("config", "--services"), "web");
  assert.deepEqual(JSON.parse(await project.compose("config", "--variables", "--format", "json")), {});
  assert.equal(await project.compose("-p", "looks", "ps", "-q"), (await daemon.inspect("looks-web-1")).Id);
});

test("a project is known by its name in the environment, and by what .env says of Compose's own options", async () => {
  const project = make(
    "named",
    `services:\n  a: {image: busybox, ${stays}}\n  b: {image: busybox, ${stays}}\n`,
  );
  await project.compose("up", "-d");
  const elsewhere = { cwd: daemon.path(), env: { COMPOSE_PROJECT_NAME: "named", PWD: daemon.path() } };
  assert.equal(
    (await project.run(["ps", "-q", "a"], elsewhere)).stdout.trim(),
    (await daemon.inspect("named-a-1")).Id,
  );
  project.write("compose.yaml", `services:\n  a: {image: busybox, ${stays}}\n`);
  project.write(".env", "COMPOSE_REMOVE_ORPHANS=1\n");
  await project.compose("up", "-d");
  assert.deepEqual(Object.keys(await project.ids()), ["named-a-1"]);
  assert.equal((await project.run(["down", "-t", "0"], elsewhere)).status, 0);
  assert.deepEqual(await project.ids(), {});
});

test("what is done already is said, or refused", async () => {
  const { Id: image } = (await daemon.request("GET", "/images/busybox/json")).body as { Id: string };
  const other = "env_file: missing.env";
  const project = make(
    "again",
    `services:\n  a: {image: "${image}", ${stays}}\n  b: {image: busybox, ${other}, ${stays}}\n`,
  );
  await project.compose("up", "-d", "a"); // of b, which is not started, no file is read
  await project.compose("pause", "a");
  const paused = await project.run(["pause", "a"]);
  assert.equal(paused.status, 1);
  assert.match(paused.stderr, /already paused/);
  await project.compose("unpause");
  assert.match((await project.run(["stop", "-t", "0", "a"])).stderr, /Container again-a-1 Stopped/);
  assert.match((await project.run(["stop", "a"])).stderr, /Container again-a-1 Stopped/);
  assert.match(await project.compose("rm", "-f"), /^Going to remove again-a-1$/);
});

test("copies, exports and containers of run are shown as they are made; run -d waits for its input", async () => {
  const project = make("shown", `services:\n  a: {image: busybox, ${stays}}\n`);
  project.write("file", "text");
  const ran = await project.run(["run", "-d", "a", "cat"]);
  const [, name = ""] = /Container (shown-a-run-[0-9a-f]{12}) Creating/.exec(ran.stderr) ?? [];
  assert.match(ran.stderr, new RegExp(`Container ${name} Created`));
  assert.equal((await daemon.inspect(name)).State.Status, "running");
  assert.equal(await project.compose("exec", "-T", "a", "echo", "in it"), "in it");
  await project.compose("up", "--no-start");
  const copied = await project.run(["cp", "file", "a:/tmp/copy"]);
  assert.match(copied.stderr, / shown-a-1 Copied file to shown-a-1:\/tmp\/copy\n/);
  assert.match((await project.run(["--dry-run", "cp", "file", "a:/tmp/pretended"])).stderr, /Copied/);
  assert.notEqual((await project.run(["cp", "a:/tmp/pretended", "-"])).status, 0);
  assert.match((await project.run(["export", "-o", "a.tar", "a"])).stderr, / shown-a-1 Exported/);
  await project.compose("down", "--remove-orphans", "-t", "0");
});

test("an interrupt ends the services that were asked for, not those that they depend on", async () => {
  const project = make(
    "part",
    `services:\n  a: {image: busybox, ${stays}, depends_on: [b]}\n  b: {image: busybox, ${stays}}\n`,
  );
  const up = project.live(["up", "--menu=false", "a"]);
  const state = async (name: string): Promise<string> =>
    (await daemon.inspect(`part-${name}-1`)).State.Status;
  await up.prints("Container part-a-1 Started");
  up.kill("SIGINT");
  await up.ended;
  assert.deepEqual([await state("a"), await state("b")], ["exited", "running"]);
  const named = await project.run(["exec", "--index", "2", "b", "true"]);
  assert.match(named.stderr, /service "b" is not running container #2/);
});

test("an included file's variables are its secrets'", async () => {
  const project = make("within", "include: [{path: other/compose.yaml, env_file: [other.env]}]\n");
  project.write("other.env", "WORD=hidden\n");
  const secret = "secrets:\n  s: {environment: WORD}\n";
  project.write("other/compose.yaml", `services:\n  a: {image: busybox, secrets: [s]}\n${secret}`);
  assert.equal(await project.compose("run", "--rm", "a", "cat", "/run/secrets/s"), "hidden");
});

test("what a project has lost is warned of, and removed when that is wanted", async () => {
  const project = make(
    "orphans",
    `services:\n  a: {image: busybox, ${stays}}\n  b: {image: busybox, ${stays}}\n`,
  );
  await project.compose("up", "-d");
  project.write("compose.yaml", `services:\n  a: {image: busybox, ${stays}}\n`);
  const { stderr } = await project.run(["up", "-d"]);
  assert.match(stderr, /Found orphan containers \(\[orphans-b-1\]\) for this project/);
  for (const options of [[], ["--no-deps"]]) {
    const run = await project.run(["run", "--rm", "-T", ...options, "a", "true"]);
    assert.match(run.stderr, /Found orphan containers \(\[orphans-b-1\]\) for this project/);
  }
  await project.compose("run", "--rm", "-T", "--remove-orphans", "a", "true");
  assert.deepEqual(Object.keys(await project.ids()), ["orphans-a-1"]);
  project.write(
    "compose.yaml",
    `services:\n  a: {image: busybox, ${stays}}\n  b: {image: busybox, ${stays}}\n`,
  );
  await project.compose("up", "-d");
  project.write("compose.yaml", `services:\n  a: {image: busybox, ${stays}}\n`);
  await project.compose("up", "-d", "--remove-orphans");
  assert.deepEqual(Object.keys(await project.ids()), ["orphans-a-1"]);
});

test("images are built where they are missing or have to be, and make their containers new", async () => {
  const project = make(
    "built",
    `services:
  web:
    build: {context: web, args: {WORD: given}}
    init: true
    stop_grace_period: 0s
  inline:
    init: true
    stop_grace_period: 0s
    build:
      context: web
      dockerfile_inline: |
        FROM busybox
        RUN echo inline >/word
        CMD ["sleep", "1000"]
`,
    {
      "web/Dockerfile":
        'FROM busybox\nARG WORD\nRUN echo $WORD >/word\nCOPY file /file\nCMD ["sleep", "1000"]\n',
      "web/file": "one\n",
    },
  );
  await project.compose("up", "-d");
  assert.equal(await project.compose("exec", "-T", "web", "cat", "/word", "/file"), "given\none");
  assert.equal(await project.compose("exec", "-T", "inline", "cat", "/word"), "inline");
  const first = await project.ids();
  project.write("web/file", "two\n");
  await project.compose("up", "-d", "--build");
  assert.equal(await project.compose("exec", "-T", "web", "cat", "/file"), "two");
  const second = await project.ids();
  assert.notEqual(second["built-web-1"], first["built-web-1"]);
  assert.equal(second["built-inline-1"], first["built-inline-1"]);
  await project.compose("down", "-t", "0", "--rmi", "local");
  assert.equal((await daemon.request("GET", "/images/built-web/json")).status, 404);
});

test("what a build says goes to stdout, where progress does not; quiet is quiet", async () => {
  const service = (name: string): string =>
    `  ${name}: {build: {context: ., dockerfile_inline: "FROM busybox\\nRUN echo this is ${name}; echo twice"}}\n`;
  const project = make("said", `services:\n${service("one")}${service("two")}`);
  const { stdout, stderr } = await project.run(["build", "--no-cache"]);
  // Both are built at the same time: what one says may be between what the other does.
  for (const name of ["one", "two"]) {
    const lines = stdout.split("\n").filter((line) => line.startsWith(`${name} | `));
    const at = lines.indexOf(`${name} | this is ${name}`);
    assert.equal(at >= 0 && lines[at + 1], `${name} | twice`);
  }
  assert.deepEqual(stderr.split("\n").sort(), [
    "",
    " Image said-one Building ",
    " Image said-one Built ",
    " Image said-two Building ",
    " Image said-two Built ",
  ]);
  assert.match(await project.compose("build", "--no-cache", "one"), /^this is one\ntwice$/m);
  assert.equal(await project.compose("build", "-q", "--no-cache"), "");
  const quiet = await project.run(["--progress", "quiet", "build", "--no-cache"]);
  assert.deepEqual([quiet.status, quiet.stdout, quiet.stderr], [0, "", ""]);
  await project.compose("down", "--rmi", "local");
});

test("hooks run in the container after it has started and before it is stopped", async () => {
  const project = make(
    "hooks",
    `services:
  a:
    image: busybox
    init: true
    command: [sleep, "1000"]
    stop_grace_period: 0s
    volumes: ["log:/log"]
    post_start: [{command: [sh, -c, 'echo started $$WHO >>/log/hooks'], environment: {WHO: me}}]
    pre_stop: [{command: sh -c 'echo stopping >>/log/hooks'}]
  reader: {image: busybox, profiles: [tools], volumes: ["log:/log"]}
volumes: {log: {}}
`,
  );
  await project.compose("up", "-d");
  await project.compose("stop");
  assert.equal(
    await project.compose("run", "--rm", "-T", "reader", "cat", "/log/hooks"),
    "started me\nstopping",
  );
});

test("hooks that prepare a service run once, in containers of their own, before it starts", async () => {
  const text = (fails: boolean): string => `services:
  a:
    image: busybox
    init: true
    scale: 2
    command: [sh, -c, "echo up; sleep 1000"]
    stop_grace_period: 0s
    environment: {WHO: me}
    volumes: ["log:/log"]
    pre_start:
      - {command: [sh, -c, 'echo first $$WHO $$WHAT >>/log/hooks'], environment: {WHAT: told}}
      - {command: [sh, -c, 'echo prepared; echo why >&2; echo second >>/log/hooks; exit ${fails ? 17 : 0}']}
    depends_on: [other]
  other: {image: busybox, init: true, stop_grace_period: 0s, command: [sleep, "1000"]}
  reader: {image: busybox, profiles: [tools], volumes: ["log:/log"]}
volumes: {log: {}}
`;
  const project = make("prepared", text(true));
  const hookContainers = async (): Promise<string> =>
    (await daemon.docker("ps", "-aq", "--filter", "label=com.docker.compose.hook=pre_start")).stdout.trim();
  const failed = await project.run(["up", "-d"]);
  assert.equal(failed.status, 1, failed.stdout + failed.stderr);
  const retained = await hookContainers();
  assert.ok(
    failed.stderr.includes(
      `service "a" pre_start[1] exited with code 17: why (hook container ${retained} retained for inspection)`,
    ),
    failed.stderr,
  );
  assert.equal(
    await project.compose("ps", "-a", "--format", "{{.Name}} {{.State}}"),
    "prepared-a-1 created\nprepared-a-2 created\nprepared-other-1 running",
  );
  project.write("compose.yaml", text(false));
  const live = project.live(["up", "--menu=false"]);
  await live.prints(/a pre_start\[1\] -> +\| prepared\n/);
  await live.prints(/a-1 +\| up\n/);
  await project.compose("up", "-d", "--scale", "a=3"); // one runs already: nothing to prepare
  assert.equal(
    await project.compose("run", "--rm", "-T", "reader", "cat", "/log/hooks"),
    "first me told\nsecond\nfirst me told\nsecond",
  );
  assert.equal(await hookContainers(), "");
  await project.compose("down", "-t", "0");
  assert.equal((await live.ended).status, 0);
  project.write("compose.yaml", text(false).replace("environment: {WHAT: told}", "per_replica: true"));
  const refused = await project.run(["up", "-d"]);
  assert.match(
    refused.stderr,
    /compose\.yaml:10:\d+: services\.a\.pre_start\.0\.per_replica: is not supported yet/,
  );
  project.write("compose.yaml", text(true));
  assert.equal((await project.run(["up", "-d"])).status, 1);
  assert.notEqual(await hookContainers(), "");
  await project.compose("down", "-t", "0");
  assert.equal(await hookContainers(), "");
});

test("logs has both of a container's streams on standard output", async () => {
  const project = make(
    "streams",
    `services:\n  a: {image: busybox, init: true, stop_grace_period: 0s, command: [sh, -c, 'echo out; echo err >&2']}\n`,
  );
  await project.compose("up"); // until the container has ended
  const logs = await project.run(["logs"]);
  assert.deepEqual(logs.stdout.split("\n").sort(), ["", "a-1  | err", "a-1  | out"]);
  assert.equal(logs.stderr, "");
});

test("logs follows a container across its restart", async () => {
  const project = make(
    "follow",
    `services:\n  a: {image: busybox, init: true, stop_grace_period: 0s, command: [sh, -c, 'echo said at $$(cat /proc/uptime); sleep 1000']}\n`,
  );
  await project.compose("up", "-d");
  const logs = project.live(["logs", "-f"]);
  await logs.prints(/a-1 {2}\| said at [^\n]*\n/);
  await project.compose("restart", "-t", "0");
  await logs.prints(/a-1 {2}\| said at [^\n]*\n[^]*a-1 {2}\| said at [^\n]*\n/);
  await project.compose("kill");
  const { status, stdout } = await logs.ended; // nothing is left to follow
  assert.equal(status, 0);
  assert.equal(stdout.match(/said at/g)?.length, 2);
  assert.match(stdout, /said at.*\na-1 exited with code \d+\n.*said at.*\na-1 exited with code 137\n$/);
});

test("builds have secrets, further contexts and a Dockerfile in the file", async () => {
  const project = make(
    "session",
    `services:
  a:
    build:
      context: .
      dockerfile_inline: |
        FROM busybox
        COPY --from=res /word /word
        RUN --mount=type=secret,id=key --mount=type=secret,id=token cat /run/secrets/key /run/secrets/token > /secrets
        CMD cat /word /secrets
      additional_contexts: {res: ./res}
      secrets: [key, {source: variable, target: token}]
secrets:
  key: {file: ./key}
  variable: {environment: WORD}
`,
    { key: "key\n", "res/word": "word\n", ".env": "WORD=token" },
  );
  const { status, stdout, stderr } = await project.run(["up", "--build"]);
  assert.equal(status, 0, stderr);
  for (const line of ["word", "key", "token"]) assert.match(stdout, new RegExp(`^a-1 {2}\\| ${line}$`, "m"));
  project.write(
    "compose.yaml",
    "services: {a: {build: {dockerfile_inline: FROM nowhere.invalid/x, ssh: [k=/nowhere]}}}",
  );
  const failed = await project.run(["build"]);
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /failed to open \/nowhere: no such file or directory/);
});

test("an image of a service is the context of another's build, whose provenance is kept", async () => {
  const project = make(
    "contexts",
    `services:
  web:
    build:
      dockerfile_inline: |
        FROM base
        RUN cat /word >/copy
        CMD ["cat", "/copy"]
      additional_contexts: {base: "service:base"}
      provenance: mode=max
  base:
    profiles: [none]
    build:
      dockerfile_inline: |
        FROM busybox
        COPY word /word
`,
    { word: "one\n" },
  );
  const first = await project.run(["up", "--build"]);
  assert.match(first.stdout, /^web-1 {2}\| one$/m, first.stderr);
  project.write("word", "two\n");
  const { status, stdout, stderr } = await project.run(["build", "web"]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^web \| #\d+ /m);
  assert.match((await project.run(["up"])).stdout, /^web-1 {2}\| two$/m);
  const { body } = await daemon.request("GET", "/v1.56/images/contexts-web/attestations?statement=true");
  const [{ PredicateType, Statement }] = body as [
    { PredicateType: string; Statement: { subject: unknown[] } },
  ];
  assert.equal(PredicateType, "https://slsa.dev/provenance/v1");
  assert.equal(Statement.subject.length, 1);
  project.write("compose.yaml", "services: {a: {build: {additional_contexts: {x: 'service:a'}}}}");
  const cyclic = await project.run(["build"]);
  assert.deepEqual([cyclic.status, /builds need each other: a -> a/.test(cyclic.stderr)], [1, true]);
});

test("build checks Dockerfiles, and prints what it would do as a file of bake", async () => {
  const project = make(
    "checked",
    "services:\n  good: {build: good}\n  bad: {image: 'bad:1', build: {context: bad, platforms: [linux/amd64, linux/arm64]}}\n",
    { "good/Dockerfile": "FROM busybox\n", "bad/Dockerfile": "FROM busybox\nMAINTAINER x\n" },
  );
  assert.equal(await project.compose("build", "--check", "good"), "Check complete, no warnings found.");
  const all = await project.run(["build", "--check"]);
  assert.equal(all.status, 1);
  assert.match(
    all.stdout,
    /^bad\n\nCheck complete, 1 warning has been found!\n\nWARNING: MaintainerDeprecated /m,
  );
  assert.match(all.stdout, /^good\n\nCheck complete, no warnings found.\n/m);
  const printed = JSON.parse(await project.compose("build", "--print", "--push", "--no-cache")) as {
    target: Record<string, { output: string[]; "no-cache": boolean }>;
  };
  assert.deepEqual(printed.target["bad"]?.output, ["type=image,push=true"]);
  assert.deepEqual(printed.target["good"]?.output, ["type=docker"]);
  assert.equal(printed.target["good"]?.["no-cache"], true);
  assert.equal((await daemon.request("GET", "/images/bad:1/json")).status, 404);
});

test("watch brings changed files into the container and rebuilds what has to be built", async () => {
  const project = make(
    "watched",
    `services:
  web:
    build: .
    init: true
    stop_grace_period: 0s
    develop:
      watch:
        - {path: ./src, action: sync, target: /src, ignore: [skipped/], initial_sync: true}
        - {path: ./Dockerfile, action: rebuild}
        - {path: ./run, action: sync+exec, target: /run, exec: {command: [sh, -c, 'echo run $$HOW'], environment: {HOW: here}}}
        - {path: ./conf, action: sync+restart, target: /conf}
`,
    {
      "run/a": "1",
      "conf/a": "1",
      Dockerfile: 'FROM busybox\nCMD ["sleep", "1000"]\n',
      "src/one": "1",
      "src/skipped/file": "0",
    },
  );
  const watch = project.live(["watch"], { timeoutMs: 100_000 });
  const files = (): Promise<string> => project.compose("exec", "-T", "web", "find", "/src", "-type", "f");
  await watch.prints("Watch enabled");
  assert.equal(await files(), "/src/one");
  project.write("src/two", "2");
  await watch.prints(/Syncing service "web"/);
  project.write("run/a", "2");
  await watch.prints(/^Syncing service "web" after 1 changes were detected\nrun here\n/m);
  project.write("conf/a", "2");
  await watch.prints(/^service\(s\) \["web"\] restarted$/m);
  project.write("Dockerfile", 'FROM busybox\nENV REBUILT=yes\nCMD ["sleep", "1000"]\n');
  await watch.prints(/successfully built/);
  assert.match(await project.compose("exec", "-T", "web", "env"), /^REBUILT=yes$/m);
  watch.kill("SIGINT");
  const { status, stderr } = await watch.ended;
  assert.equal(status, 130);
  assert.match(stderr, /^ Container watched-web-1 Restarting $/m);
});

test("a dry run tells what would be done and does nothing", async () => {
  const project = make("dry", `services:\n  a: {image: busybox, ${stays}}\n`);
  const { status, stderr } = await project.run(["--dry-run", "up", "-d"]);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^DRY-RUN MODE - {2}Network dry_default Creating $/m);
  assert.match(stderr, /^DRY-RUN MODE - {2}Container dry-a-1 Created $/m);
  assert.equal((await daemon.request("GET", "/networks/dry_default")).status, 404);
});

test("a .env file beside the project is the project's, not the client's", async () => {
  const project = make("dotenv", `services:\n  a: {image: busybox, command: "echo $WORD"}\n`, {
    ".env": "WORD=from-file\nDOCKER_HOST=tcp://192.0.2.1:1\n",
  });
  const { status, stdout } = await project.run(["up"]);
  assert.equal(status, 0);
  assert.match(stdout, /a-1 {2}\| from-file\n/);
});
