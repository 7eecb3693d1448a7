// The words are Docker's: recorded from Engine 20.10 where that says them, otherwise from the sources of later ones.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkDefaultLog, checkLogOptions, completeLogConfig, driverOf, isReadable } from "./options.ts";

const refusals: readonly (readonly [driver: string, options: Record<string, string>, words: string])[] = [
  ["json-file", { x: "1" }, "unknown log opt 'x' for json-file log driver"],
  ["local", { x: "1" }, "unknown log opt 'x' for log driver local"],
  ["syslog", { x: "1" }, "unknown log opt 'x' for syslog log driver"],
  ["fluentd", { x: "1" }, "unknown log opt 'x' for fluentd log driver"],
  ["journald", { x: "1" }, "unknown log opt 'x' for journald log driver"],
  ["gelf", { "gelf-address": "udp://h:1", x: "1" }, 'unknown log opt "x" for gelf log driver'],
  ["json-file", { mode: "x" }, "logger: logging mode not supported: x"],
  [
    "json-file",
    { "max-buffer-size": "1m" },
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  ],
  [
    "json-file",
    { mode: "non-blocking", "max-buffer-size": "1z" },
    "error parsing option max-buffer-size: invalid suffix: 'z'",
  ],
  ["json-file", { "max-size": "abc" }, "failed to initialize logging driver: invalid size: 'abc'"],
  ["json-file", { "max-size": "-2" }, "failed to initialize logging driver: invalid size: '-2'"],
  [
    "json-file",
    { "max-size": "0" },
    "failed to initialize logging driver: max-size must be a positive number",
  ],
  ["json-file", { "max-file": "0" }, "failed to initialize logging driver: max-file cannot be less than 1"],
  [
    "json-file",
    { "max-file": "x" },
    'failed to initialize logging driver: strconv.Atoi: parsing "x": invalid syntax',
  ],
  [
    "json-file",
    { compress: "maybe" },
    'failed to initialize logging driver: strconv.ParseBool: parsing "maybe": invalid syntax',
  ],
  [
    "json-file",
    { compress: "true", "max-size": "1m" },
    "failed to initialize logging driver: compress cannot be true when max-file is less than 2 or max-size is not set",
  ],
  [
    "local",
    { "max-size": "abc" },
    "failed to initialize logging driver: invalid value for max-size: abc: invalid size: 'abc'",
  ],
  [
    "local",
    { "max-file": "1" },
    "failed to initialize logging driver: compression cannot be enabled when max file count is 1",
  ],
  ["syslog", { "syslog-address": "foo://x" }, "unsupported scheme: 'foo'"],
  ["syslog", { "syslog-address": "unix:///nope" }, "stat /nope: no such file or directory"],
  ["syslog", { "syslog-facility": "foo" }, "invalid syslog facility"],
  ["syslog", { "syslog-facility": "24" }, "invalid syslog facility"],
  ["syslog", { "syslog-format": "foo" }, "Invalid syslog format"],
  ["gelf", {}, "gelf-address is a required parameter"],
  ["gelf", { "gelf-address": "http://x:1" }, "gelf: endpoint needs to be TCP or UDP"],
  ["gelf", { "gelf-address": "udp://h" }, "gelf: please provide gelf-address as proto://host:port"],
  [
    "gelf",
    { "gelf-address": "tcp://h:1", "gelf-compression-type": "gzip" },
    "compression is only supported on UDP",
  ],
  [
    "gelf",
    { "gelf-address": "udp://h:1", "gelf-compression-level": "10" },
    'unknown value "10" for log opt "gelf-compression-level" for gelf log driver',
  ],
  [
    "gelf",
    { "gelf-address": "udp://h:1", "gelf-tcp-max-reconnect": "1" },
    '"gelf-tcp-max-reconnect" is only valid for TCP',
  ],
  [
    "gelf",
    { "gelf-address": "tcp://h:1", "gelf-tcp-reconnect-delay": "-1" },
    '"gelf-tcp-reconnect-delay" must be a positive integer',
  ],
  [
    "fluentd",
    { "fluentd-address": "foo://x" },
    "invalid fluentd-address (foo://x): unsupported scheme: 'foo'",
  ],
  ["fluentd", { "fluentd-address": "unix:///" }, "invalid fluentd-address (unix:///): path is empty"],
  [
    "fluentd",
    { "fluentd-address": "tcp://h:1/p" },
    "invalid fluentd-address (tcp://h:1/p): should not contain a path element",
  ],
  ["fluentd", { "fluentd-max-retries": "-1" }, 'strconv.ParseUint: parsing "-1": invalid syntax'],
  ["fluentd", { "fluentd-max-retries": "4000000000" }, "invalid fluentd-max-retries: value out of range"],
  ["fluentd", { "fluentd-retry-wait": "1" }, 'time: missing unit in duration "1"'],
  ["fluentd", { "fluentd-request-ack": "yes" }, 'strconv.ParseBool: parsing "yes": invalid syntax'],
  [
    "fluentd",
    { "fluentd-write-timeout": "x" },
    "invalid value for fluentd-write-timeout: value must be a duration",
  ],
  [
    "fluentd",
    { "fluentd-async-reconnect-interval": "1ms" },
    'invalid value for fluentd-async-reconnect-interval: value ("1ms") must be between 100ms and 10s',
  ],
  ["syslog", { "cache-disabled": "x" }, "invalid value for option cache-disabled: x"],
];

test("what is wrong is refused in Docker's words", () => {
  for (const [driver, options, words] of refusals)
    assert.throws(
      () => checkLogOptions(driver, options),
      (e: Error & { kind?: string }) => e.message === words && e.kind === "invalidParameter",
      `${driver} ${JSON.stringify(options)}: ${words}`,
    );
});

test("a driver that there is not is named in Docker's words", () => {
  for (const name of ["splunk", "awslogs", "gcplogs", "etwlogs", "x"])
    assert.throws(() => checkLogOptions(name, {}), {
      kind: "invalidParameter",
      message: `logger: no log driver named '${name}' is registered`,
    });
});

test("an enabled plugin is a driver with options of its own", () => {
  const defaults = { logType: "json-file", logOptions: {}, isLogPlugin: (name: string) => name === "paper" };
  const config = completeLogConfig({ Type: "paper", Config: { ink: "blue", tag: "x" } }, defaults);
  assert.deepEqual(config, { Type: "paper", Config: { ink: "blue", tag: "x" } });
  assert.equal(isReadable(config), true);
  assert.notEqual(driverOf("paper")?.remote, undefined);
  assert.throws(
    () => completeLogConfig({ Type: "pens", Config: {} }, defaults),
    /no log driver named 'pens'/,
  );
});

test("every option of every driver is accepted", () => {
  const common = {
    env: "A",
    "env-regex": "B",
    labels: "c",
    "labels-regex": "d",
    tag: "{{.ID}}",
    mode: "blocking",
  };
  const cache = {
    "cache-disabled": "false",
    "cache-max-size": "1m",
    "cache-max-file": "3",
    "cache-compress": "true",
  };
  const files = { "max-size": "10m", "max-file": "3", compress: "true" };
  checkLogOptions("none", { anything: "goes" });
  checkLogOptions("json-file", { ...common, ...files });
  checkLogOptions("json-file", { mode: "non-blocking", "max-buffer-size": "4m" });
  checkLogOptions("local", { ...common, ...files });
  checkLogOptions("journald", { ...common, ...cache });
  for (const facility of ["", "kern", "local7", "0", "23"])
    checkLogOptions("syslog", {
      ...common,
      ...cache,
      "syslog-address": "tcp+tls://[::1]:6514",
      "syslog-facility": facility,
      "syslog-format": "rfc5424micro",
      "syslog-tls-ca-cert": "/ca",
      "syslog-tls-cert": "/cert",
      "syslog-tls-key": "/key",
      "syslog-tls-skip-verify": "",
    });
  checkLogOptions("gelf", {
    ...common,
    ...cache,
    "gelf-address": "udp://host:12201",
    "gelf-compression-type": "zlib",
    "gelf-compression-level": "-1",
  });
  checkLogOptions("gelf", {
    "gelf-address": "tcp://host:12201",
    "gelf-tcp-max-reconnect": "3",
    "gelf-tcp-reconnect-delay": "1",
  });
  for (const address of ["", "host", "host:24225", "tcp://h:1", "tls://h", "unix:///run/f.sock"])
    checkLogOptions("fluentd", {
      ...common,
      ...cache,
      "fluentd-address": address,
      "fluentd-async": "true",
      "fluentd-async-reconnect-interval": "2s",
      "fluentd-buffer-limit": "8m",
      "fluentd-max-retries": "5",
      "fluentd-request-ack": "true",
      "fluentd-retry-wait": "1s",
      "fluentd-sub-second-precision": "true",
      "fluentd-write-timeout": "3s",
      "fluentd-read-timeout": "3s",
    });
});

test("the daemon's options are for its own driver, those of the cache for all", () => {
  const defaults = { logType: "local", logOptions: { "max-size": "1m", "cache-max-size": "2m" } };
  assert.deepEqual(completeLogConfig(null, defaults), {
    Type: "local",
    Config: { "max-size": "1m", "cache-max-size": "2m" },
  });
  assert.deepEqual(completeLogConfig({ Type: "local", Config: { "max-size": "3m" } }, defaults).Config, {
    "max-size": "3m",
    "cache-max-size": "2m",
  });
  assert.deepEqual(completeLogConfig({ Type: "json-file" }, defaults), {
    Type: "json-file",
    Config: { "cache-max-size": "2m" },
  });
  assert.deepEqual(completeLogConfig(undefined, { logType: "json-file", logOptions: {} }), {
    Type: "json-file",
    Config: {},
  });
  assert.throws(
    () => checkDefaultLog("json-file", { x: "1" }),
    /failed to set log opts: unknown log opt 'x'/,
  );
});

test("logs are kept within bounds unless somebody asks for none", () => {
  const storage = (name: string, options: Record<string, string>) => driverOf(name)?.storage(options);
  const files = { maxSizeBytes: 20 << 20, maxFiles: 5 };
  assert.deepEqual(storage("json-file", {}), { kind: "json-file", ...files, isCompressed: false });
  assert.deepEqual(storage("local", {}), { kind: "spool", ...files, isCompressed: true });
  assert.deepEqual(storage("journald", {}), { kind: "spool", ...files, isCompressed: false });
  const limited = storage("json-file", { "max-size": "10k" });
  assert.deepEqual([limited?.maxSizeBytes, limited?.maxFiles], [10_000, 1], "as Docker: one file");
  assert.equal(storage("json-file", { "max-size": "-1" })?.maxSizeBytes, 0);
  assert.equal(storage("syslog", { "cache-max-size": "1k", "cache-max-file": "2" })?.maxSizeBytes, 1000);
});

test("logs of a driver without a cache cannot be read, those of a file always can", () => {
  assert.equal(isReadable({ Type: "none", Config: {} }), false);
  assert.equal(isReadable({ Type: "journald", Config: {} }), true);
  assert.equal(isReadable({ Type: "journald", Config: { "cache-disabled": "true" } }), false);
  assert.equal(isReadable({ Type: "local", Config: { "cache-disabled": "true" } }), true);
});
