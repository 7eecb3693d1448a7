// Which daemon is talked to, and where credentials come from and go to.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { parseFlags } from "../../lib/flags/parse.ts";
import { globalFlags } from "../globals.ts";
import { loadConfigFile, updateConfigFile } from "./config-file.ts";
import {
  allCredentials,
  credentialsFor,
  eraseCredentials,
  HUB_SERVER,
  storeCredentials,
} from "./credentials.ts";
import { compareVersions, normaliseHost, resolveEndpoint } from "./endpoint.ts";
import { proxyVariables } from "./proxies.ts";

let dir = "";
const saved = { ...process.env };
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-config-"));
  for (const name of [
    "DOCKER_HOST",
    "BERTH_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_API_VERSION",
    "DOCKER_TLS_VERIFY",
  ]) {
    delete process.env[name];
  }
});
afterEach(() => {
  process.env = { ...saved };
  rmSync(dir, { recursive: true });
});

function endpoint(...argv: string[]) {
  const { values, given } = parseFlags(globalFlags, ["--config", dir, ...argv]);
  return resolveEndpoint({ globals: values, given, config: async () => loadConfigFile(dir) });
}

function writeContext(name: string, host: string): void {
  const id = createHash("sha256").update(name).digest("hex");
  mkdirSync(join(dir, "contexts/meta", id), { recursive: true });
  const meta = { Name: name, Metadata: {}, Endpoints: { docker: { Host: host } } };
  writeFileSync(join(dir, "contexts/meta", id, "meta.json"), JSON.stringify(meta));
}

test("the host comes from -H, then --context, the environment, config.json, and last is Berth's own", async () => {
  assert.deepEqual(await endpoint(), {
    host: "unix:///run/berth/berth.sock",
    tls: undefined,
    context: "default",
    apiVersion: undefined,
    isOwnDefault: true,
  });
  writeContext("remote", "tcp://remote:2375");
  writeContext("chosen", "unix:///chosen.sock");
  writeFileSync(join(dir, "config.json"), JSON.stringify({ currentContext: "remote" }));
  assert.equal((await endpoint()).host, "tcp://remote:2375");
  process.env["DOCKER_HOST"] = "unix:///env.sock";
  assert.equal((await endpoint()).host, "unix:///env.sock");
  process.env["BERTH_HOST"] = "unix:///berth.sock";
  assert.equal((await endpoint()).host, "unix:///berth.sock");
  assert.equal((await endpoint("--context", "chosen")).host, "unix:///chosen.sock");
  assert.equal((await endpoint("-H", "unix:///flag.sock")).host, "unix:///flag.sock");
  process.env["DOCKER_API_VERSION"] = "v1.41";
  assert.equal((await endpoint()).apiVersion, "1.41");
});

test("contradictions and unknown contexts are refused", async () => {
  await assert.rejects(endpoint("-H", "a", "--context", "b"), /cannot specify both --host and --context/);
  assert.throws(() => void endpoint("-H", "a", "-H", "b"), {
    message: 'invalid argument "b" for "-H, --host" flag: specify only one -H',
  });
  await assert.rejects(
    endpoint("--context", "none"),
    /Failed to initialize: unable to resolve docker endpoint: context "none": context not found: open .*meta\.json: no such file/,
  );
  const authority = join(dir, "ca.pem");
  const secured = ["--tlsverify", "--tlscacert", authority, "-H", "tcp://h:1"];
  const missing = (path: string) => ({
    message: `Failed to initialize: unable to resolve docker endpoint: open ${path}: no such file or directory`,
  });
  await assert.rejects(endpoint(...secured), missing(authority));
  writeFileSync(authority, "nothing\n");
  await assert.rejects(endpoint(...secured), /failed to retrieve context tls info: ca\.pem seems invalid/);
  writeFileSync(authority, "-----BEGIN CERTIFICATE-----\n");
  await assert.rejects(endpoint(...secured, "--tlscert", "/nope"), missing("/nope"));
  assert.equal((await endpoint(...secured)).host, "tcp://h:1");
  writeFileSync(join(dir, "config.json"), "{");
  await assert.rejects(endpoint(), /parsing config file \(.*config\.json\): /);
});

test("normaliseHost completes what Docker completes", () => {
  assert.equal(normaliseHost("tcp://"), "tcp://localhost:2375");
  assert.equal(normaliseHost("box"), "tcp://box:2375");
  assert.equal(normaliseHost("box:99"), "tcp://box:99");
  assert.equal(normaliseHost("unix:///a b"), "unix:///a b");
  assert.throws(() => normaliseHost("foo://x"), /invalid bind address format: foo:\/\/x/);
});

test("compareVersions compares numbers, not text", () => {
  assert.ok(compareVersions("1.9", "1.24") < 0);
  assert.ok(compareVersions("2.0", "1.99") > 0);
  assert.equal(compareVersions("1.50", "1.50"), 0);
});

test("credentials are read from config.json by registry", () => {
  const auth = (pair: string): string => Buffer.from(pair).toString("base64");
  const config = {
    auths: {
      [HUB_SERVER]: { auth: auth("me:pa:ss") },
      "https://reg.example:5000/v2/": { identitytoken: "tok" },
    },
  };
  assert.deepEqual(credentialsFor(config, "docker.io"), {
    username: "me",
    password: "pa:ss",
    serveraddress: HUB_SERVER,
  });
  assert.equal(credentialsFor(config, "reg.example:5000").identitytoken, "tok");
  assert.deepEqual(credentialsFor(config, "other"), {});
  assert.deepEqual(Object.keys(allCredentials(config)), Object.keys(config.auths));
});

test("credentials are kept in config.json with everything else that was there", async () => {
  await updateConfigFile(dir, () => ({ psFormat: "x" }));
  assert.equal(
    await storeCredentials(dir, loadConfigFile(dir), "reg", { username: "u", password: "p" }),
    true,
  );
  const config = loadConfigFile(dir);
  assert.deepEqual(config, { psFormat: "x", auths: { reg: { auth: "dTpw" } } });
  await eraseCredentials(dir, config, "reg");
  assert.deepEqual(loadConfigFile(dir), { psFormat: "x", auths: {} });
});

test("credential helpers are asked over stdin and stdout", async () => {
  const helper = join(dir, "docker-credential-fake");
  const store = join(dir, "store");
  writeFileSync(
    helper,
    `#!/bin/sh\ncase $1 in get) read key; [ "$key" = reg ] && echo '{"Username":"u","Secret":"s"}' || { echo credentials not found in native keychain; exit 1; };; store) cat >${store};; *) exit 1;; esac\n`,
  );
  chmodSync(helper, 0o755);
  process.env["PATH"] = `${dir}:${saved["PATH"]}`;
  const config = { credHelpers: { reg: "fake", none: "fake" } };
  assert.deepEqual(credentialsFor(config, "reg"), { username: "u", password: "s", serveraddress: "reg" });
  assert.deepEqual(credentialsFor(config, "none"), {});
  assert.equal(await storeCredentials(dir, config, "reg", { username: "a", password: "b" }), false);
  assert.deepEqual(JSON.parse(readFileSync(store, "utf8")), { ServerURL: "reg", Username: "a", Secret: "b" });
  // This helper cannot list; the other can, and knows more than config.json.
  const everything = { reg: { username: "u", password: "s", serveraddress: "reg" } };
  assert.deepEqual(allCredentials({ credsStore: "fake", auths: { reg: {}, none: {} } }), everything);
  const script =
    '#!/bin/sh\nif [ $1 = list ]; then echo \'{"reg":"u"}\'; else exec docker-credential-fake $1; fi\n';
  writeFileSync(join(dir, "docker-credential-lister"), script, { mode: 0o755 });
  assert.deepEqual(allCredentials({ credsStore: "lister", auths: {} }), everything);
  const missing = { credsStore: "missing" };
  await assert.rejects(
    storeCredentials(dir, missing, "reg", {}),
    /docker-credential-missing": executable file not found in \$PATH/,
  );
  assert.deepEqual(credentialsFor(missing, "reg"), {}, "what needs no login goes on");
});

test("proxies become variables unless the user set them", () => {
  const config = {
    proxies: { default: { httpProxy: "http://p:1", noProxy: "x" }, "tcp://h:1": { ftpProxy: "f" } },
  };
  assert.deepEqual(proxyVariables(config, "unix:///s", new Set(["http_proxy"])), {
    HTTP_PROXY: "http://p:1",
    NO_PROXY: "x",
    no_proxy: "x",
  });
  assert.deepEqual(proxyVariables(config, "tcp://h:1", new Set()), { FTP_PROXY: "f", ftp_proxy: "f" });
  assert.deepEqual(proxyVariables({}, "x", new Set()), {});
});
