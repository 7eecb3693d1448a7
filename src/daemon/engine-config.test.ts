import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFlags } from "../lib/flags/parse.ts";
import { ENGINE_FLAGS, engineConfigOf } from "./engine-config.ts";

const config = (file: Readonly<Record<string, unknown>>, argv: readonly string[] = []) =>
  engineConfigOf(file, parseFlags(ENGINE_FLAGS, argv).values);

test("a configuration as people have it for dockerd is taken, and what is left undone is said", () => {
  const found = config({
    "storage-driver": "overlay2",
    "storage-opts": ["overlay2.override_kernel_check=true"],
    "exec-opts": ["native.cgroupdriver=systemd"],
    "userland-proxy": false,
    features: { buildkit: true, "containerd-snapshotter": true },
    "raw-logs": true,
    labels: ["where=here"],
    "log-format": "json",
    proxies: { "http-proxy": "http://proxy:3128", "no-proxy": "localhost" },
  });
  assert.deepEqual(found.labels, ["where=here"]);
  assert.equal(found.logFormat, "json");
  assert.deepEqual(found.proxies, { HTTP_PROXY: "http://proxy:3128", NO_PROXY: "localhost" });
  assert.equal(found.cgroupDriver, "systemd");
  assert.equal(found.warnings.length, 2);
  for (const word of ["storage-opts", "containerd"])
    assert.ok(
      found.warnings.some((text) => text.includes(word)),
      word,
    );
  assert.deepEqual(
    config({ "exec-opts": ["native.cgroupdriver=cgroupfs"], features: { buildkit: true } }).warnings,
    [],
  );
  assert.equal(config({}).cgroupDriver, "cgroupfs");
});

test("flags say the same as the file", () => {
  const argv = [
    "--label",
    "a=b",
    "--experimental",
    "--https-proxy",
    "http://p:1",
    "--host-gateway-ip",
    "10.0.0.1",
  ];
  const found = config({}, [...argv, "--metrics-addr", "127.0.0.1:9323", "--oom-score-adjust", "-500"]);
  assert.deepEqual([found.labels, found.isExperimental], [["a=b"], true]);
  assert.deepEqual(found.proxies, { HTTPS_PROXY: "http://p:1" });
  assert.deepEqual(found.hostGatewayIps, ["10.0.0.1"]);
  assert.deepEqual([found.metricsAddress, found.oomScoreAdjust], ["127.0.0.1:9323", -500]);
});

test("directories of CDI specifications: the usual ones, those that are named, or none", () => {
  const dirs = (file: Readonly<Record<string, unknown>>, argv: readonly string[] = []) =>
    config(file, argv).cdiSpecDirs;
  assert.deepEqual(dirs({}), ["/etc/cdi", "/var/run/cdi"]);
  assert.deepEqual(dirs({ "cdi-spec-dirs": ["/a", "/b"] }), ["/a", "/b"]);
  assert.deepEqual(dirs({}, ["--cdi-spec-dir", "/c"]), ["/c"]);
  assert.deepEqual(dirs({ "cdi-spec-dirs": [""] }), []);
  assert.deepEqual(dirs({ "cdi-spec-dirs": [] }), []);
  assert.deepEqual(dirs({ features: { cdi: false } }), []);
  assert.deepEqual(dirs({}, ["--feature", "cdi=false"]), []);
  assert.deepEqual(dirs({}, ["--feature", "cdi"]), ["/etc/cdi", "/var/run/cdi"]);
  assert.throws(() => dirs({}, ["--feature", "cdi=perhaps"]), /invalid feature "cdi=perhaps"/);
  assert.deepEqual(dirs({ features: { cdi: true } }), ["/etc/cdi", "/var/run/cdi"]);
});

const REFUSED: readonly (readonly [file: Readonly<Record<string, unknown>>, why: RegExp])[] = [
  [{ "storage-driver": "btrfs" }, /storage driver btrfs/],
  [{ iptables: false }, /iptables: false/],
  [{ "ip-forward": false }, /ip-forward: false/],
  [{ "firewall-backend": "iptables" }, /firewall-backend iptables/],
  [{ "exec-opts": ["native.cgroupdriver=other"] }, /native.cgroupdriver option other not supported/],
  [{ "exec-opts": ["x=y"] }, /unknown option "x=y"/],
  [{ "log-format": "xml" }, /invalid log format "xml"/],
  [{ "cdi-spec-dirs": ["cdi"] }, /invalid cdi-spec-dir "cdi": use an absolute path/],
  [{ labels: ["bare"] }, /labels are written key=value/],
  [{ labels: "a=b" }, /"labels" in the configuration file must be a list of strings/],
  [{ experimental: "yes" }, /"experimental" in the configuration file must be true or false/],
  [{ "shutdown-timeout": 1.5 }, /"shutdown-timeout" in the configuration file must be a whole number/],
  [{ proxies: { ftp: "x" } }, /unknown ftp/],
  [{ proxies: { "http-proxy": 1 } }, /http-proxy must be a string/],
  [{ features: { x: 1 } }, /"features" in the configuration file must be an object/],
  [{ "metrics-addr": "nowhere" }, /invalid metrics-addr "nowhere"/],
  [{ "host-gateway-ips": ["here"] }, /invalid host-gateway-ip "here"/],
  [{ "cpu-rt-runtime": 950000 }, /cpu-rt-runtime/],
];

test("what somebody relies on and cannot have is refused, with what to do", () => {
  for (const [file, why] of REFUSED) assert.throws(() => config(file), why);
});

test("what dockerd has and this daemon has not is refused by name, or said to be left undone", () => {
  for (const [file, message] of [
    [{ "bridge-accept-fwmark": "0x1/0x1" }, /bridge-accept-fwmark: .* use allow-direct-routing/],
    [{ "selinux-enabled": true }, /selinux-enabled: this daemon does not label/],
    [{ "nri-opts": { enable: true } }, /nri-opts: plugins .* not supported/],
    [{ "nri-opts": "enable" }, /must be an object/],
    [{ "network-diagnostic-port": 2000 }, /network-diagnostic-port: /],
    [{ "min-api-version": 5 }, /must be a version/],
  ] as const)
    assert.throws(() => config(file), { kind: "invalidParameter", message });
  for (const flag of ["enable", "enable=true,socket-path=/x"])
    assert.throws(() => config({}, ["--nri-opts", flag]), { message: /nri-opts/ });
  const harmless = {
    "nri-opts": { enable: false },
    "network-diagnostic-port": 0,
    "ip-forward-no-drop": true,
  };
  assert.deepEqual(config(harmless, ["--nri-opts", "enable=false"]).warnings, []);
  const { warnings } = config({ "init-path": "/sbin/tini", "min-api-version": "1.44" });
  assert.match(warnings.join(), /init-path: .*ignored,min-api-version: .*ignored/);
});
