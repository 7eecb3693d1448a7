import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_PLUGIN_CONFIG_BYTES, parsePluginConfig, pluginTypes } from "./config.ts";

test("a configuration has Go's zero values for what is missing, and keys in any case", () => {
  const config = parsePluginConfig(
    '{"description":"x","INTERFACE":{"types":["docker.volumedriver/1.0"],"socket":"a.sock"}}',
  );
  assert.deepEqual(config, {
    Args: { Description: "", Name: "", Settable: null, Value: null },
    Description: "x",
    Documentation: "",
    Entrypoint: null,
    Env: null,
    Interface: { Socket: "a.sock", Types: ["docker.volumedriver/1.0"] },
    IpcHost: false,
    Linux: { AllowAllDevices: false, Capabilities: null, Devices: null },
    Mounts: null,
    Network: { Type: "" },
    PidHost: false,
    PropagatedMount: "",
    User: {},
    WorkDir: "",
  });
  assert.deepEqual(pluginTypes(config), [{ prefix: "docker", capability: "volumedriver" }]);
});

const refusals: readonly (readonly [source: string, why: RegExp])[] = [
  ["", /^failed to parse config: /],
  ["[]", /cannot unmarshal array into Go value of type plugin.Config/],
  ['{"workdir":"a"}', /the working directory "a" is no absolute path/],
  ['{"workdir":"/a/../b"}', /the working directory/],
  ['{"propagatedmount":"/"}', /the propagated mount is the whole root/],
  ['{"interface":{"socket":"a/b"}}', /no file name/],
  ['{"interface":{"socket":".."}}', /no file name/],
  ['{"mounts":[{"type":"bind","destination":"/a","source":"../b"}]}', /the source of a mount/],
  ['{"mounts":[{"source":"/b"}]}', /a mount has no destination/],
  ['{"linux":{"devices":[{"path":"dev/null"}]}}', /the device "dev\/null"/],
  ['{"env":[{"name":"A=B"}]}', /no name of a variable/],
  ['{"entrypoint":["a\\u0000b"]}', /NUL byte/],
  [`{"entrypoint":[${'"a",'.repeat(1000)}"a"]}`, /more than 1000 entries/],
  [`{"description":"${"a".repeat(MAX_PLUGIN_CONFIG_BYTES)}"}`, /it is larger than 1048576 bytes/],
];

for (const [source, why] of refusals)
  test(`a configuration is refused: ${source.slice(0, 60)}`, () => {
    assert.throws(() => parsePluginConfig(source), { kind: "invalidParameter", message: why });
  });
