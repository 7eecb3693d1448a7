import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseFlags } from "../lib/flags/parse.ts";
import { LISTEN_FLAGS, listenConfigOf } from "./listen-config.ts";

const dir = mkdtempSync(join(tmpdir(), "berth-listen-"));

before(() => {
  for (const name of ["one", "two"]) {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
    const files = [join(dir, `${name}.key`), "-out", join(dir, `${name}.pem`)];
    execFileSync("openssl", ["req", "-x509", ...key, ...files, "-subj", "/CN=x"], { stdio: "ignore" });
  }
});
after(() => rmSync(dir, { recursive: true }));

const config = (argv: readonly string[], file: Readonly<Record<string, unknown>> = {}) => {
  const { values, given } = parseFlags(LISTEN_FLAGS, argv);
  return listenConfigOf(file, values, given);
};

test("listenConfigOf refuses an open port on an address that others reach, unless TLS or the user's word is there", () => {
  for (const host of [
    "tcp://0.0.0.0:2375",
    "tcp://10.1.2.3:1",
    "tcp://[::]:2375",
    "tcp://example.org:2375",
  ]) {
    assert.throws(() => config(["-H", host]), /refusing to listen on .* without TLS/, host);
    assert.deepEqual(config(["-H", host, "--tls=false"]).hosts, [host]);
    assert.deepEqual(config([], { hosts: [host], tlsverify: false }).hosts, [host]);
  }
  for (const host of [
    "tcp://127.0.0.1:1",
    "tcp://:1",
    "tcp://localhost:1",
    "tcp://[::1]:1",
    "unix:///x",
    "fd://",
  ])
    assert.deepEqual(config(["-H", host]).hosts, [host]);
});

test("listenConfigOf takes an address without a protocol for one of TCP", () => {
  assert.deepEqual(config(["-H", "127.0.0.1:1"]).hosts, ["tcp://127.0.0.1:1"]);
  assert.throws(() => config(["-H", "0.0.0.0:2375"]), /refusing to listen on tcp:.* without TLS/);
});

test("listenConfigOf reads certificates, and asks clients for theirs with tlsverify only", () => {
  const files = ["--tlscert", join(dir, "one.pem"), "--tlskey", join(dir, "one.key")];
  const plain = config(["--tls", ...files]).tls;
  assert.match(plain?.cert ?? "", /BEGIN CERTIFICATE/);
  assert.match(plain?.key ?? "", /PRIVATE KEY/);
  assert.equal(plain?.clientCa, undefined);
  const verified = config(files, { tlsverify: true, tlscacert: join(dir, "two.pem") }).tls;
  assert.match(verified?.clientCa ?? "", /BEGIN CERTIFICATE/);
});

test("listenConfigOf names the file that is missing, or wrong, or another certificate's", () => {
  const cert = ["--tlscert", join(dir, "one.pem")];
  assert.throws(() => config(["--tls", ...cert, "--tlskey", "/nope"]), /TLS key \/nope: .*no such file/);
  assert.throws(() => config(["--tls", ...cert, "--tlskey", join(dir, "one.pem")]), /cannot use the TLS key/);
  assert.throws(() => config(["--tls", ...cert, "--tlskey", join(dir, "two.key")]), /do not belong together/);
  assert.throws(() => config(["--tls"], { tlscert: 3 }), /"tlscert" .* must be a string/);
  assert.throws(() => config([], { tls: "yes" }), /"tls" .* must be true or false/);
});
