import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePluginConfig } from "../../lib/plugin-protocol/config.ts";
import { checkPrivileges, privilegesOf } from "./privileges.ts";
import { initialSettings } from "./record.ts";
import { changeSettings } from "./settings.ts";

const config = parsePluginConfig(
  JSON.stringify({
    network: { type: "host" },
    pidhost: true,
    ipchost: true,
    mounts: [
      { name: "data", settable: ["source", "options"], source: "/srv", destination: "/data", type: "bind" },
      { name: "none", settable: ["source"], destination: "/none", type: "bind" },
    ],
    linux: {
      allowAllDevices: true,
      capabilities: ["CAP_SYS_ADMIN"],
      devices: [{ name: "fuse", settable: ["path"], path: "/dev/fuse" }],
    },
    env: [
      { name: "DEBUG", settable: ["value"], value: "0" },
      { name: "FIXED", value: "x" },
      { name: "UNSET", settable: ["value"] },
    ],
    args: { name: "args", settable: ["value"], value: ["-a"] },
  }),
);
const settings = initialSettings(config);
const change = (...changes: string[]) => changeSettings(config, settings, changes);

test("a plugin begins with what its configuration says", () => {
  assert.deepEqual(settings.Env, ["DEBUG=0", "FIXED=x"]);
  assert.deepEqual(settings.Args, ["-a"]);
});

test("what may be set is set, and nothing where one change is wrong", () => {
  const now = change("DEBUG=1=2", "UNSET=", "data.source=/other", "fuse=/dev/null", "args=-b -c");
  assert.deepEqual(now.Env, ["DEBUG=1=2", "FIXED=x", "UNSET="]);
  assert.equal(now.Mounts[0]?.Source, "/other");
  assert.equal(now.Devices[0]?.Path, "/dev/null");
  assert.deepEqual(now.Args, ["-b", "-c"]);
  assert.throws(() => change("DEBUG=1", "nope=2"), /setting "nope" not found in the plugin configuration/);
  assert.deepEqual(settings.Env, ["DEBUG=0", "FIXED=x"]);
});

test("what may not be set is refused in Docker's words", () => {
  const refused = (text: string, message: string): void => assert.throws(() => change(text), { message });
  refused("FIXED=1", '"FIXED" is not settable');
  refused("DEBUG.name=1", '"DEBUG.name" is not settable');
  refused("data=/x", "multiple fields are settable, one must be specified");
  refused("data.options=ro", '"data.options" is not settable');
  refused("none=/x", "plugin config has no mount source");
  refused("=x", "invalid format, must be <name>[.<field>][=<value>]");
  refused("data.source=x", 'the source of a mount "x" is no absolute path without ".."');
});

test("the privileges are those beyond any container's, and have to be granted exactly", () => {
  const wanted = privilegesOf(config);
  assert.deepEqual(
    wanted.map((p) => [p.Name, p.Value]),
    [
      ["network", ["host"]],
      ["host ipc namespace", ["true"]],
      ["host pid namespace", ["true"]],
      ["mount", ["/srv"]],
      ["device", ["/dev/fuse"]],
      ["allow-all-devices", ["true"]],
      ["capabilities", ["CAP_SYS_ADMIN"]],
    ],
  );
  checkPrivileges(config, wanted.toReversed());
  for (const granted of [
    [],
    wanted.slice(1),
    [...wanted, ...wanted],
    wanted.map((p) => ({ ...p, Value: null })),
  ])
    assert.throws(() => checkPrivileges(config, granted), { message: "incorrect privileges" });
  assert.deepEqual(privilegesOf(parsePluginConfig('{"network":{"type":"bridge"}}')), []);
});
