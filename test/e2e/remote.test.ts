// A daemon on another host: TLS with certificates of both sides, and ssh:// through a real sshd.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type CommandOptions, Live, type Outcome } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

const dir = await mkdtemp(join(tmpdir(), "berth-remote-"));
const file = (name: string): string => join(dir, name);
const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: dir, stdio: "ignore" });
const ELLIPTIC = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** An authority, and a certificate signed by it for each name. */
async function makeCertificates(authority: string, names: readonly string[]): Promise<void> {
  const [ca, key] = [`${authority}.pem`, `${authority}.key`];
  openssl("req", "-x509", "-newkey", ...ELLIPTIC, "-keyout", key, "-out", ca, "-subj", `/CN=${authority}`);
  await writeFile(file("extensions"), "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:far.invalid\n");
  for (const name of names) {
    openssl(
      "req",
      "-newkey",
      ...ELLIPTIC,
      "-keyout",
      `${name}.key`,
      "-out",
      "request",
      "-subj",
      `/CN=${name}`,
    );
    const issuer = ["-CA", ca, "-CAkey", key, "-CAcreateserial", "-extfile", "extensions"];
    openssl("x509", "-req", "-in", "request", ...issuer, "-days", "2", "-out", `${name}.pem`);
  }
}

after(() => rm(dir, { recursive: true }));

/** Whoever asks for a connection gets one to the daemon. */
const PROXY = `
const net = require("node:net");
net.createServer((client) => client.once("data", (head) => {
  console.log(String(head).split(" HTTP")[0]);
  const daemon = net.connect(2376, "127.0.0.1", () => {
    client.write("HTTP/1.1 200 OK\\r\\n\\r\\n");
    client.pipe(daemon).pipe(client);
  });
  for (const socket of [client, daemon]) socket.on("error", () => undefined);
})).listen(3128, "127.0.0.1", () => console.log("listening"));
`;

describe("TLS", () => {
  let daemon: TestDaemon;
  before(async () => {
    await makeCertificates("ca", ["server", "client"]);
    await makeCertificates("other-ca", ["stranger"]);
    const files = [
      "--tlscacert",
      file("ca.pem"),
      "--tlscert",
      file("server.pem"),
      "--tlskey",
      file("server.key"),
    ];
    daemon = await TestDaemon.start({ args: ["-H", "tcp://127.0.0.1:2376", "--tlsverify", ...files] });
  });
  after(() => daemon.close());

  const at = (client: Client, args: readonly string[], options: CommandOptions = {}): Promise<Outcome> =>
    daemon.network.run([...client.argv, ...args], {
      ...options,
      env: { PATH: "/usr/bin:/bin", ...options.env },
    });
  const identity = (name: string): string[] => [
    ...["--tlscert", file(`${name}.pem`), "--tlskey", file(`${name}.key`)],
  ];
  const HOST = ["-H", "tcp://127.0.0.1:2376"];
  const trusted = (name: string): string[] => [
    ...HOST,
    "--tlsverify",
    "--tlscacert",
    file("ca.pem"),
    ...identity(name),
  ];

  for (const client of clients)
    describe(client.name, () => {
      test("a client with a certificate of the daemon's authority works, streams and half-closes included", async () => {
        const args = [...trusted("client"), "run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo over"];
        const outcome = await at(client, args, { input: "hello\n" });
        assert.deepEqual([outcome.status, outcome.stdout], [0, "hello\nover\n"]);
      });

      test("certificates come from DOCKER_CERT_PATH too", async () => {
        const home = file(`certs-${client.name}`);
        await mkdir(home);
        await cp(file("ca.pem"), join(home, "ca.pem"));
        await cp(file("client.pem"), join(home, "cert.pem"));
        await cp(file("client.key"), join(home, "key.pem"));
        const env = { DOCKER_HOST: "tcp://127.0.0.1:2376", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: home };
        const outcome = await at(client, ["version", "--format", "{{.Server.Os}}"], { env });
        assert.deepEqual([outcome.status, outcome.stdout], [0, "linux\n"], outcome.stderr);
      });

      test("a context keeps them", async () => {
        const config = ["--config", file(`config-${client.name}`)];
        const docker = `host=tcp://127.0.0.1:2376,ca=${file("ca.pem")},cert=${file("client.pem")},key=${file("client.key")}`;
        await at(client, [...config, "context", "create", "far", "--docker", docker]);
        const outcome = await at(client, [
          ...config,
          "--context",
          "far",
          "version",
          "--format",
          "{{.Server.Os}}",
        ]);
        assert.deepEqual([outcome.status, outcome.stdout], [0, "linux\n"], outcome.stderr);
      });

      test("a proxy of the environment stands between, but not where NO_PROXY names the daemon", async () => {
        const proxy = new Live(daemon.network.wrap([process.execPath, "-e", PROXY]));
        await proxy.prints("listening");
        // A name that only the proxy knows.
        const args = [
          "-H",
          "tcp://far.invalid:2376",
          ...trusted("client").slice(2),
          "info",
          "-f",
          "{{.OSType}}",
        ];
        const env = { HTTPS_PROXY: "http://127.0.0.1:3128" };
        const through = await at(client, args, { env });
        assert.deepEqual([through.status, through.stdout], [0, "linux\n"], through.stderr);
        await proxy.prints("CONNECT far.invalid:2376");
        const spared = await at(client, args, { env: { ...env, NO_PROXY: ".invalid" } });
        assert.notEqual(spared.status, 0);
        proxy.kill("SIGKILL");
        await proxy.ended;
      });

      test("whoever has no certificate, or one of another authority, is refused", async () => {
        const bare = await at(client, [...HOST, "--tlsverify", "--tlscacert", file("ca.pem"), "ps"]);
        assert.equal(bare.status, 1);
        assert.match(bare.stderr, /tls: certificate required/);
        const stranger = await at(client, [...trusted("stranger"), "ps"]);
        assert.equal(stranger.status, 1);
        assert.doesNotMatch(stranger.stdout, /CONTAINER ID/);
        const plain = await at(client, [...HOST, "ps"]);
        assert.equal(plain.status, 1);
        assert.doesNotMatch(plain.stdout, /CONTAINER ID/);
      });

      test("a daemon of another authority is not believed", async () => {
        const args = [
          ...HOST,
          "--tlsverify",
          "--tlscacert",
          file("other-ca.pem"),
          ...identity("client"),
          "ps",
        ];
        const outcome = await at(client, args);
        assert.equal(outcome.status, 1);
        assert.match(outcome.stderr, /x509: certificate signed by unknown authority/);
      });
    });
});

describe("ssh://", () => {
  let daemon: TestDaemon;
  let sshd: Live;
  before(async () => {
    daemon = await TestDaemon.start();
    for (const name of ["host", "user"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(`${name}-key`)]);
    // What the far side finds in its PATH, and the options of the near side's ssh, which reads no file of the test's otherwise.
    await mkdir(file("far"));
    await mkdir(file("near"));
    await symlink(clients[0]?.argv[0] ?? "", file("far/berth"));
    const options = [
      `IdentityFile ${file("user-key")}`,
      "StrictHostKeyChecking no",
      `UserKnownHostsFile ${file("known")}`,
      "LogLevel ERROR",
    ];
    await writeFile(file("near/config"), `${options.join("\n")}\n`);
    await writeFile(file("near/ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F ${file("near/config")} "$@"\n`);
    await chmod(file("near/ssh"), 0o755);
    const settings = [
      "Port 2222",
      "ListenAddress 127.0.0.1",
      `HostKey ${file("host-key")}`,
      `AuthorizedKeysFile ${file("user-key.pub")}`,
      "StrictModes no",
      "UsePAM no",
      "PermitRootLogin yes",
      "PidFile none",
      `SetEnv PATH=${file("far")}:/usr/bin:/bin`,
    ];
    await writeFile(file("sshd_config"), `${settings.join("\n")}\n`);
    // sshd wants a directory in /run, which the host need not have.
    const script = `mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f ${file("sshd_config")}`;
    sshd = new Live(daemon.network.wrap(["unshare", "--mount", "sh", "-c", script]), { timeoutMs: 600_000 });
    await sshd.prints("Server listening");
  });
  after(async () => {
    sshd.kill("SIGTERM");
    await sshd.ended;
    await daemon.close();
  });

  const at = (client: Client, args: readonly string[], options: CommandOptions = {}): Promise<Outcome> =>
    daemon.network.run([...client.argv, ...args], {
      ...options,
      env: { PATH: `${file("near")}:/usr/bin:/bin` },
    });

  // docker's client runs `docker` on the far side, which has Berth only.
  const berth = clients.filter((client) => client.name === "berth");
  for (const client of berth) {
    test("commands and streams go through ssh to the socket that the address names", async () => {
      const host = ["-H", `ssh://root@127.0.0.1:2222${daemon.socket}`];
      const ran = await at(client, [...host, "run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo over"], {
        input: "hello\n",
      });
      assert.deepEqual([ran.status, ran.stdout], [0, "hello\nover\n"], ran.stderr);
    });

    test("a host that does not answer is an error that says why", async () => {
      const outcome = await at(client, ["-H", "ssh://root@127.0.0.1:1", "ps"]);
      assert.equal(outcome.status, 1);
      assert.match(
        outcome.stderr,
        /error during connect: command "ssh .* has exited with exit status 255.*Connection refused/s,
      );
    });

    test("an address that is none is refused", async () => {
      for (const host of ["ssh://me:secret@h", "ssh://h?x=1", "ssh://h#x"]) {
        const outcome = await at(client, ["-H", host, "ps"]);
        assert.equal(outcome.status, 1, host);
        assert.match(outcome.stderr, /invalid SSH URL/, host);
      }
    });
  }
});

describe("fd://", () => {
  // As systemd does: the socket is open before the daemon is, and stays when the daemon ends.
  const ACTIVATE = [
    "import os, socket, sys",
    "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(64); os.dup2(s.fileno(), 3); os.set_inheritable(3, True)",
    'os.environ["LISTEN_FDS"] = "1"; os.environ["LISTEN_PID"] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])',
  ].join("\n");
  let daemon: TestDaemon;
  before(async () => {
    const wrap = (argv: string[]) => ["python3", "-c", ACTIVATE, file("activated.sock"), ...argv];
    daemon = await TestDaemon.start({ args: ["-H", "fd://"], wrap });
  });
  after(() => daemon.close());

  test("the daemon answers on the socket that it was given", async () => {
    for (const client of clients) {
      const args = ["-H", `unix://${file("activated.sock")}`, "ps", "-q"];
      const outcome = await daemon.network.run([...client.argv, ...args]);
      assert.deepEqual([outcome.status, outcome.stdout], [0, ""], outcome.stderr);
    }
  });

  test("without one it does not start, and says why", async () => {
    const refused = await TestDaemon.start({ hasImage: false }).then(async (other) => {
      await other.terminate();
      const live = other.launch(["-H", "fd://"]);
      const outcome = await live.ended;
      await other.close();
      return outcome;
    });
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /cannot listen on fd:\/\/: no sockets found via socket activation/);
  });
});
