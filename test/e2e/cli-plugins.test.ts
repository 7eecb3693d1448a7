// Plugins of the command line, as Docker's: found in the plugin folders, listed, and run in the program's place.
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Live, type Outcome, run } from "./command.ts";
import { type Client, clients } from "./harness.ts";

const METADATA =
  '{"SchemaVersion":"0.1.0","Vendor":"Somebody","Version":"v7","ShortDescription":"Says hello"}';
const PROGRAMS: Readonly<Record<string, string>> = {
  "docker-hello": `#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then echo '${METADATA}'; exit; fi
echo "$@"; cat; test "$DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND" && exit 7
`,
  "docker-where": `#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then echo '${METADATA}'; exit; fi
echo "$DOCKER_HOST"
`,
  // Says when its lifeline is cut, or does not care.
  "docker-patient": `#!/usr/bin/env python3
import os, signal, socket, sys
if sys.argv[1] == "docker-cli-plugin-metadata":
    print('${METADATA}'); sys.exit()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
s = socket.socket(socket.AF_UNIX); s.connect("\\0" + os.environ["DOCKER_CLI_PLUGIN_SOCKET"][1:])
print("connected", flush=True)
s.recv(1)
print("told to end", flush=True)
if "stubborn" in sys.argv: signal.pause()
sys.exit(5)
`,
  "docker-broken": "#!/bin/sh\necho no metadata\n",
  // A command of the program's own goes before it.
  "docker-ps": `#!/bin/sh\necho '${METADATA}'\n`,
};

const home = await mkdtemp(join(tmpdir(), "berth-plugins-"));

before(async () => {
  await mkdir(join(home, "cli-plugins"));
  for (const [name, text] of Object.entries(PROGRAMS)) {
    await writeFile(join(home, "cli-plugins", name), text);
    await chmod(join(home, "cli-plugins", name), 0o755);
  }
});
after(() => rm(home, { recursive: true }));

const on = (client: Client, args: readonly string[], input = ""): Promise<Outcome> =>
  run([...client.argv, ...args], {
    env: { PATH: process.env["PATH"] ?? "", DOCKER_CONFIG: home, DOCKER_HOST: `unix://${home}/none.sock` },
    input,
  });

for (const client of clients)
  describe(client.name, () => {
    test("a plugin gets the whole command line and the input, and its exit code counts", async () => {
      const outcome = await on(client, ["-D", "hello", "--flag", "x y"], "input\n");
      assert.deepEqual([outcome.status, outcome.stdout], [7, "-D hello --flag x y\ninput\n"]);
    });

    test("help is the plugin's own", async () => {
      assert.equal((await on(client, ["help", "hello"])).stdout, "help hello\n");
      assert.equal((await on(client, ["hello", "--help"])).stdout, "hello --help\n");
    });

    test("the help page lists plugins and what is none", async () => {
      const { stdout } = await on(client, ["--help"]);
      assert.match(stdout, /^Management Commands:[^]*^ {2}hello\* +Says hello$[^]*^Commands:$/m);
      assert.match(stdout, /^Invalid Plugins:\n {2}broken +invalid metadata: /m);
    });

    test("info lists them, too", async () => {
      const { stdout, stderr } = await on(client, ["info"]);
      const path = join(home, "cli-plugins");
      const said = ` Plugins:\n  hello: Says hello (Somebody)\n    Version:  v7\n    Path:     ${path}/docker-hello\n`;
      assert.ok(stdout.includes(said), stdout);
      assert.match(stderr, /WARNING: Plugin ".*docker-broken" is not valid: invalid metadata: /);
    });

    test("commands of the program's own, and files that are no plugins, are not run", async () => {
      assert.match((await on(client, ["ps"])).stderr, /Cannot connect to the Docker daemon/);
      const outcome = await on(client, ["broken"]);
      assert.equal(outcome.status, 1);
      assert.match(outcome.stderr, /unknown command: (docker|berth) broken/);
    });
  });

// Docker's own client misses a signal now and then while it turns from one way of catching them to another.
const berth = clients.find((client) => client.name === "berth") as Client;
test("a signal without a terminal is told through the plugin's socket, and the third one ends it", async () => {
  const env = { PATH: process.env["PATH"] ?? "", DOCKER_CONFIG: home };
  const polite = new Live([...berth.argv, "patient"], { env });
  await polite.prints("connected");
  polite.kill("SIGTERM");
  const ended = await polite.ended;
  assert.deepEqual([ended.status, ended.stdout], [5, "connected\ntold to end\n"]);
  const stubborn = new Live([...berth.argv, "patient", "stubborn"], { env });
  await stubborn.prints("connected");
  stubborn.kill("SIGTERM");
  await stubborn.prints("told to end");
  // Some may become one on the way.
  for (let i = 0; i < 100 && !stubborn.hasEnded; i++) {
    stubborn.kill(i % 2 === 0 ? "SIGINT" : "SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const killed = await stubborn.ended;
  assert.equal(killed.status, 1);
  assert.match(killed.stderr, /got 3 SIGTERM\/SIGINTs, forcefully exiting/);
});

test("a plugin of Docker's finds Berth's daemon when nobody has named another", async () => {
  const env = { PATH: process.env["PATH"] ?? "", DOCKER_CONFIG: home };
  const outcome = await run([...berth.argv, "where"], { env });
  assert.equal(outcome.stdout, "unix:///run/berth/berth.sock\n");
});
