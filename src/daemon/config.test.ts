import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type DaemonConfig, loadDaemonConfig, reloadConfig } from "./config.ts";

function withFile<T>(content: string, body: (path: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), "berth-config-"));
  try {
    const path = join(dir, "daemon.json");
    writeFileSync(path, content);
    return body(path);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const load = (...argv: string[]): DaemonConfig => {
  const config = loadDaemonConfig(argv);
  assert.ok(!("notice" in config));
  return config;
};

test("loadDaemonConfig has working defaults and takes dockerd's flags", () => {
  withFile("{}", (file) => {
    const defaults = load("--config-file", file);
    assert.deepEqual(defaults.listen.hosts, ["unix:///run/berth/berth.sock"]);
    assert.equal(defaults.liveRestore, true);
    assert.equal(defaults.network.defaultBridge.ipv4.bip, "");
    const given = load(
      "--config-file",
      file,
      "-H",
      "unix:///a",
      "-H",
      "tcp://127.0.0.1:1",
      "--bip=10.9.0.1/24",
      "--live-restore=false",
      "-D",
    );
    assert.deepEqual(given.listen.hosts, ["unix:///a", "tcp://127.0.0.1:1"]);
    assert.equal(given.network.defaultBridge.ipv4.bip, "10.9.0.1/24");
    assert.equal(given.liveRestore, false);
    assert.equal(given.logLevel, "debug");
  });
});

test("loadDaemonConfig reads daemon.json, and refuses unknown keys, wrong types and keys given twice", () => {
  withFile('{"registry-mirrors": ["http://localhost:5000"], "live-restore": false, "mtu": 1400}', (file) => {
    const config = load("--config-file", file);
    assert.deepEqual(config.registryMirrors, ["http://localhost:5000"]);
    assert.equal(config.liveRestore, false);
    assert.equal(config.network.defaultBridge.mtu, 1400);
    assert.throws(
      () => load("--config-file", file, "--registry-mirror", "http://x"),
      /both as a flag and in the configuration file: registry-mirrors/,
    );
    assert.equal(reloadConfig(["--config-file", file]).liveRestore, false);
  });
  const refused: [string, RegExp][] = [
    ['{"colour": "red"}', /don't match any configuration option: colour/],
    ['{"bip": 1}', /"bip" in the configuration file must be a string/],
    ['{"hosts": "unix:///a"}', /"hosts" in the configuration file must be a list of strings/],
    ["[]", /not a JSON object/],
    ["{", /unable to configure the daemon/],
  ];
  for (const [content, message] of refused)
    withFile(content, (file) => assert.throws(() => load("--config-file", file), message));
  assert.throws(() => load("--config-file", "/does/not/exist.json"), /unable to configure the daemon/);
  assert.throws(() => load("stray"), /unknown argument: stray/);
});

test("--validate and --version say so and nothing else; a bad file is refused all the same", () => {
  const notice = (...argv: string[]): string => {
    const said = loadDaemonConfig(argv);
    return "notice" in said ? said.notice : "";
  };
  withFile('{"debug": true}', (file) =>
    assert.equal(notice("--validate", "--config-file", file), "configuration OK\n"),
  );
  withFile('{"debug": 7, "bip": 1}', (file) =>
    assert.throws(() => notice("--validate", "--config-file", file), /must be a string/),
  );
  assert.match(notice("--version"), /^Berth version /);
});
