// Wrong input gets one clear line and Docker's exit code, and leaves nothing behind.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const berth = clients[0] as Client;

/** What a command must answer: arguments, exit code, what the error says. */
const REFUSALS: readonly (readonly [string, readonly string[], number, RegExp])[] = [
  [
    "an unknown image",
    ["run", "localhost:1/nosuch"],
    125,
    /Unable to find image 'localhost:1\/nosuch:latest' locally/,
  ],
  [
    "an invalid image name",
    ["run", "UPPER:case"],
    125,
    /invalid reference format: repository name \(?.*must be lowercase/,
  ],
  ["an unknown flag of run", ["run", "--nosuch", "busybox"], 125, /unknown flag: --nosuch/],
  ["an unknown short flag", ["run", "-Z", "busybox"], 125, /unknown shorthand flag: 'Z' in -Z/],
  ["an unknown flag of ps", ["ps", "--nosuch"], 125, /unknown flag: --nosuch/],
  ["an unknown command", ["nosuch"], 1, /(unknown command: \w+ nosuch|'nosuch' is not a \w+ command)/],
  ["a missing argument", ["run"], 1, /requires at least 1 argument/],
  ["too many arguments", ["rename", "a", "b", "c"], 1, /requires exactly? ?2 arguments|requires 2 arguments/],
  ["an unknown container", ["start", "nobody"], 1, /No such container: nobody/],
  ["an unknown container for stop", ["stop", "nobody"], 1, /No such container: nobody/],
  ["an unknown container for logs", ["logs", "nobody"], 1, /No such container: nobody/],
  ["an unknown container for rm", ["rm", "nobody"], 1, /No such container: nobody/],
  [
    "an invalid name",
    ["run", "--name", "bad name", "busybox", "true"],
    125,
    /Invalid container name \(bad name\)/,
  ],
  [
    "a memory limit that is too small",
    ["run", "-m", "1k", "busybox", "true"],
    125,
    /[Mm]inimum memory limit allowed is 6MB/,
  ],
  [
    "a memory limit that is no size",
    ["run", "-m", "lots", "busybox", "true"],
    125,
    /invalid (argument|size).*lots/,
  ],
  ["a port that is none", ["run", "-p", "99999:80", "busybox", "true"], 125, /99999/],
  ["a published range that does not fit", ["run", "-p", "8000-8001:80-85", "busybox", "true"], 125, /range/i],
  ["an unknown signal", ["kill", "-s", "NOSUCH", "x"], 1, /[Ii]nvalid signal: NOSUCH|No such container/],
  ["an unknown capability", ["run", "--cap-add", "NOSUCH", "busybox", "true"], 125, /NOSUCH/],
  ["an unknown security option", ["run", "--security-opt", "nosuch=1", "busybox", "true"], 125, /nosuch/],
  [
    "a broken seccomp profile",
    ["run", "--security-opt", "seccomp=/no/such.json", "busybox", "true"],
    125,
    /no such file/,
  ],
  [
    "a relative mount target",
    ["run", "-v", "/tmp:relative", "busybox", "true"],
    125,
    /mount path must be absolute/,
  ],
  ["a broken environment", ["run", "-e", "=x", "busybox", "true"], 125, /invalid environment variable: =x/],
  ["an unknown restart policy", ["run", "--restart", "sometimes", "busybox", "true"], 125, /sometimes/],
  ["an unknown log driver", ["run", "--log-driver", "nosuch", "busybox", "true"], 125, /nosuch/],
  [
    "a working directory that is relative",
    ["run", "-w", "relative", "busybox", "true"],
    125,
    /needs to be an absolute path|must be an? absolute path/,
  ],
  ["no command at all", ["run", "busybox"], 125, /no command specified/i],
  [
    "a container that joins one that is not there",
    ["run", "--network", "container:nobody", "busybox", "true"],
    125,
    /No such container: nobody/,
  ],
  ["a broken filter", ["ps", "--filter", "nosuch"], 125, /bad format of filter|invalid argument/],
  ["a broken template", ["ps", "--format", "{{.Nosuch"], 1, /template/],
];

for (const client of clients)
  describe(`${client.name}: refuses`, () => {
    for (const [what, args, status, text] of REFUSALS)
      test(what, async () => {
        const refused = await daemon.run(client, args);
        assert.match(refused.stderr, text);
        assert.equal(refused.status, status, refused.stderr);
        assert.equal(await daemon.text(client, ["ps", "-aq"]), "", "nothing is left");
      });
  });

/** Bodies that `POST /containers/create` must refuse: 400 where nothing else is said, Docker's words, and nothing left. */
const BODIES: readonly (readonly [body: string, says: string | RegExp, status?: number])[] = [
  ["", "invalid JSON: EOF"],
  ["{", "invalid JSON: unexpected EOF"],
  ["[]", /json: cannot unmarshal array into Go value of type container.CreateRequest/],
  ["null", "config cannot be empty in order to create a container"],
  ["{}", "config cannot be empty in order to create a container"],
  ['{"HostConfig":{}}', "config cannot be empty in order to create a container"],
  ['{"Image":"busybox","HostConfig":{"Dns":["nope"]}}', 'ParseAddr("nope"): unable to parse IP'],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"nope"}]}}}',
    'ParseAddr("nope"): unable to parse IP',
  ],
  ['{"Image":"busybox","Cmd":["true"]} x', "unexpected content after JSON"],
  ['{"Image":5}', /cannot unmarshal number into Go struct field CreateRequest.Image of type string/],
  [
    '{"Image":"busybox","Cmd":5}',
    /cannot unmarshal number into Go struct field CreateRequest.Cmd of type string/,
  ],
  [
    '{"Image":"busybox","Cmd":["a"],"HostConfig":{"Memory":"x"}}',
    /cannot unmarshal string into .*Memory of type int64/,
  ],
  [
    '{"Image":"busybox","Cmd":["a"],"HostConfig":{"Memory":1.5}}',
    /cannot unmarshal number 1.5 into .*Memory of type int64/,
  ],
  [
    '{"Image":"busybox","Cmd":["a"],"HostConfig":{"BlkioWeight":70000}}',
    /cannot unmarshal number 70000 into .*uint16/,
  ],
  ['{"Image":"busybox"}', "no command specified"],
  ['{"Image":"busybox","Entrypoint":[""]}', "no command specified"],
  ['{"Cmd":["true"]}', /./],
  ['{"Image":"busybox","Cmd":["true"],"Env":["=x"]}', "invalid environment variable: =x"],
  ['{"Image":"busybox","Cmd":["true"],"Env":[""]}', "invalid environment variable: "],
  [
    '{"Image":"busybox","Cmd":["true"],"WorkingDir":"rel"}',
    /'rel' is invalid, it needs to be an absolute path/,
  ],
  ['{"Image":"busybox","Cmd":["true"],"StopSignal":"FOO"}', "invalid signal: FOO"],
  ['{"Image":"busybox","Cmd":["true"],"ExposedPorts":{"99999/tcp":{}}}', /99999/],
  ['{"Image":"busybox","Cmd":["a\\u0000b"]}', /./],
  ['{"Image":"nosuch","Cmd":["true"]}', "No such image: nosuch:latest", 404],
  ['{"Image":"nosuch","Cmd":["true"],"HostConfig":{"Memory":1}}', "Minimum memory limit allowed is 6MB"],
  ['{"Image":"NO:SUCH:","Cmd":["true"]}', /invalid reference format/],
  ['{"Image":"busybox","Cmd":["true"],"HostConfig":{"IpcMode":"foo"}}', "invalid IPC mode: foo"],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"PidMode":"container:"}}',
    "invalid PID mode: container:",
  ],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"CgroupnsMode":"foo"}}',
    "invalid cgroup namespace mode: foo",
  ],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"ExtraHosts":["foo"]}}',
    'bad format for add-host: "foo"',
  ],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"ExtraHosts":["a:b"]}}',
    'invalid IP address in add-host: "b"',
  ],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"ExtraHosts":["a\\nb:1.1.1.1"]}}',
    /bad format for add-host/,
  ],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"IOMaximumIOps":5}}',
    /QoS maximum IOPs configuration is not supported/,
  ],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"Annotations":{"":"x"}}}',
    /empty string is not permitted as an annotation key/,
  ],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"Sysctls":{"kernel.panic":"1"}}}',
    /is not in a separate kernel namespace/,
  ],
  [
    '{"Image":"busybox","Cmd":["true"],"HostConfig":{"Ulimits":[{"Name":"foo","Soft":1,"Hard":1}]}}',
    "invalid ulimit type: foo",
  ],
  ['{"Image":"busybox","Cmd":["true"],"HostConfig":{"Devices":[{}]}}', /error gathering device information/],
  ['{"Image":"busybox","Cmd":["true"],"HostConfig":{"NetworkMode":"nosuch"}}', /network nosuch not found/],
];

describe("the API refuses", () => {
  const post = async (path: string, body: string, type = "application/json") => {
    const target = ["--unix-socket", daemon.socket, `http://localhost${path}`];
    const argv = [
      "curl",
      "-s",
      "-g",
      "-w",
      "\n%{http_code}",
      "-H",
      `Content-Type: ${type}`,
      "--data-binary",
      body,
      ...target,
    ];
    const { stdout } = await run(argv);
    const at = stdout.lastIndexOf("\n");
    return {
      message: (JSON.parse(stdout.slice(0, at)) as { message?: string }).message,
      status: Number(stdout.slice(at + 1)),
    };
  };

  for (const [body, says, status = 400] of BODIES)
    test(`to create ${body || "from nothing"}`, async () => {
      const refused = await post("/containers/create?name=wanted", body);
      assert.equal(refused.status, status, refused.message ?? "");
      if (typeof says === "string") assert.equal(refused.message, says);
      else assert.match(refused.message ?? "", says);
      assert.deepEqual((await daemon.request("GET", "/containers/json?all=1")).body, []);
    });

  test("names that are wrong, too long for a file, or taken, and another type of body", async () => {
    const body = '{"Image":"busybox","Cmd":["true"]}';
    for (const name of ["a", "a/b", "-x", "_x", "%C3%A9"]) {
      const refused = await post(`/containers/create?name=${name}`, body);
      assert.equal(refused.status, 400, name);
      assert.match(
        refused.message ?? "",
        /Invalid container name \(.*\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_.-\] are allowed/,
      );
    }
    assert.equal((await post("/containers/create?name=taken", body)).status, 201);
    const taken = await post("/containers/create?name=taken", body);
    assert.equal(taken.status, 409);
    assert.match(
      taken.message ?? "",
      /^Conflict. The container name "\/taken" is already in use by container "[0-9a-f]{64}"/,
    );
    assert.equal((await post(`/containers/create?name=${"x".repeat(300)}`, body)).status, 201, "as Docker");
    const typed = await post("/containers/create", body, "text/plain");
    assert.deepEqual(typed, {
      status: 400,
      message: "unsupported Content-Type header (text/plain): must be 'application/json'",
    });
    const platform = await post("/containers/create?platform=a/b/c/d", body);
    assert.deepEqual(platform, {
      status: 400,
      message: '"a/b/c/d": cannot parse platform specifier: invalid argument',
    });
    for (const [update, status] of [
      ["{", 400],
      ['{"Memory":"x"}', 400],
      ["{}", 404],
    ] as const)
      assert.equal((await post("/containers/nobody/update", update)).status, status, update);
  });
});

describe("without a daemon", () => {
  for (const client of clients)
    test(`${client.name} says that none is running, and where it looked`, async () => {
      const env = { DOCKER_HOST: `unix://${daemon.path("nobody.sock")}` };
      const ps = await daemon.run(client, ["ps"], { env });
      assert.equal(ps.status, 1);
      assert.match(
        ps.stderr,
        /Cannot connect to the Docker daemon at unix:\/\/.*nobody\.sock\. Is the docker daemon running\?|[Cc]annot connect.*nobody\.sock/,
      );
      const ran = await daemon.run(client, ["run", "busybox"], { env });
      assert.equal(ran.status, 125);
    });

  test("berth says how to start one", { skip: existsSync("/run/berth/berth.sock") }, async () => {
    const env = { PATH: process.env["PATH"] ?? "", HOME: daemon.dir };
    const ps = await run([...berth.argv, "ps"], { env });
    assert.equal(ps.status, 1);
    assert.match(ps.stderr, /berth daemon/);
  });
});

describe("without root", () => {
  const asNobody = (argv: readonly string[]) =>
    run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ...argv], {
      env: { ...daemon.environment, HOME: "/" },
    });

  test("the client says that it may not use the socket", async () => {
    await run(["chmod", "711", daemon.dir]);
    const refused = await asNobody([...berth.argv, "ps"]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /permission denied/i);
  });

  test("the daemon does not start and says why", async () => {
    const refused = await asNobody([...berth.argv, "daemon", "--data-root", "/tmp/berth-nobody"]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /root/);
  });
});

describe("the daemon", () => {
  const start = (...args: string[]) =>
    run(daemon.network.wrap([...berth.argv, "daemon", ...args]), { timeoutMs: 10_000 });

  test("refuses unknown flags, arguments and configuration", async () => {
    for (const [args, text] of [
      [["--nosuch"], /unknown flag: --nosuch/],
      [["extra"], /extra/],
      [["--config-file", "/no/such"], /\/no\/such/],
      [["--config-file", "/bin/busybox"], /\/bin\/busybox/],
      [
        [
          "--bip",
          "nonsense",
          "--data-root",
          daemon.path("x/d"),
          "--exec-root",
          daemon.path("x/r"),
          "--pidfile",
          daemon.path("x/p"),
          "-H",
          `unix://${daemon.path("x/s")}`,
        ],
        /nonsense/,
      ],
    ] as const) {
      const refused = await start(...args);
      assert.equal(refused.status, 1, args.join(" "));
      assert.match(refused.stderr, text);
      assert.equal(refused.stderr.trim().split("\n").length <= 2, true, refused.stderr);
    }
  });

  test("refuses an address that another daemon listens on", async () => {
    const dirs = [
      "--data-root",
      daemon.path("y/d"),
      "--exec-root",
      daemon.path("y/r"),
      "--pidfile",
      daemon.path("y/p"),
    ];
    const refused = await start(...dirs, "-H", `unix://${daemon.socket}`, "--bip", "172.31.0.1/24");
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /berth\.sock/);
    assert.equal(await daemon.text(berth, ["ps", "-q"]), "", "the first one goes on");
  });
});
