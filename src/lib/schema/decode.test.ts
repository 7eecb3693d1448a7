import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "../errors.ts";
import { decode, decodeUntyped } from "./decode.ts";
import {
  anyValue,
  bool,
  emptyStruct,
  int,
  int64,
  list,
  listOrSingle,
  map,
  nullable,
  optional,
  type Schema,
  struct,
  text,
  textOf,
  uint16,
} from "./schema.ts";

const portMap = map(nullable(list(struct("network.PortBinding", { HostIp: text, HostPort: text }))));
const request = struct("container.CreateRequest", {
  Hostname: text,
  Tty: bool,
  Env: nullable(list(text)),
  Cmd: nullable(listOrSingle(text)),
  Labels: nullable(map(text)),
  ExposedPorts: optional(map(emptyStruct)),
  StopTimeout: optional(nullable(int)),
  Extra: optional(anyValue),
  HostConfig: optional(
    struct("container.HostConfig", {
      Memory: int64,
      BlkioWeight: uint16,
      NetworkMode: textOf("container.NetworkMode"),
      PortBindings: nullable(portMap),
      RestartPolicy: struct("container.RestartPolicy", { MaximumRetryCount: int }),
      Mounts: list(
        struct("mount.Mount", { BindOptions: optional(struct("mount.BindOptions", { NonRecursive: bool })) }),
      ),
    }),
  ),
});

describe("wrong types are refused in Go's words", () => {
  // What dockerd 20.10.24 answered to the same bodies, but for its older name of the outermost struct.
  const cases: readonly (readonly [body: unknown, message: string])[] = [
    [{ Hostname: 5 }, "number into Go struct field CreateRequest.Hostname of type string"],
    [{ Tty: "x" }, "string into Go struct field CreateRequest.Tty of type bool"],
    [{ Env: "x" }, "string into Go struct field CreateRequest.Env of type []string"],
    [{ Env: [1] }, "number into Go struct field CreateRequest.Env of type string"],
    [{ Cmd: 5 }, "number into Go struct field CreateRequest.Cmd of type string"],
    [{ Cmd: [1] }, "array into Go struct field CreateRequest.Cmd of type string"],
    [{ Labels: [] }, "array into Go struct field CreateRequest.Labels of type map[string]string"],
    [{ Labels: { a: 5 } }, "number into Go struct field CreateRequest.Labels of type string"],
    [
      { ExposedPorts: { "80": 5 } },
      "number into Go struct field CreateRequest.ExposedPorts of type struct {}",
    ],
    [[], "array into Go value of type container.CreateRequest"],
    ["x", "string into Go value of type container.CreateRequest"],
    [{ HostConfig: [] }, "array into Go struct field CreateRequest.HostConfig of type container.HostConfig"],
    [
      { HostConfig: { Memory: "x" } },
      "string into Go struct field HostConfig.HostConfig.Memory of type int64",
    ],
    [
      { HostConfig: { NetworkMode: 5 } },
      "number into Go struct field HostConfig.HostConfig.NetworkMode of type container.NetworkMode",
    ],
    [
      { HostConfig: { BlkioWeight: 70000 } },
      "number 70000 into Go struct field HostConfig.HostConfig.BlkioWeight of type uint16",
    ],
    [
      { HostConfig: { RestartPolicy: { MaximumRetryCount: 1.5 } } },
      "number 1.5 into Go struct field RestartPolicy.HostConfig.RestartPolicy.MaximumRetryCount of type int",
    ],
    [
      { HostConfig: { PortBindings: { "80/tcp": [{ HostPort: 80 }] } } },
      "number into Go struct field PortBinding.HostConfig.PortBindings.HostPort of type string",
    ],
    [
      { HostConfig: { Mounts: [{ BindOptions: { NonRecursive: 1 } }] } },
      "number into Go struct field BindOptions.HostConfig.Mounts.BindOptions.NonRecursive of type bool",
    ],
  ];
  for (const [body, message] of cases) {
    test(message, () => {
      assert.throws(() => decode(request, body), {
        message: `json: cannot unmarshal ${message}`,
        kind: "invalidParameter",
        code: "json.type",
      });
    });
  }
});

describe("Go's leniency", () => {
  test("unknown keys are dropped, keys match in any case, the last one wins", () => {
    assert.deepEqual(decode(request, { hostname: "a", HOSTNAME: "b", nothing: { deep: [] } }), {
      Hostname: "b",
    });
  });

  test("null leaves a field out and is the zero value inside lists and maps", () => {
    assert.deepEqual(decode(request, { Hostname: null, Env: null, HostConfig: null }), {});
    assert.deepEqual(decode(request, { Env: ["a", null], Labels: { a: null } }), {
      Env: ["a", ""],
      Labels: { a: "" },
    });
    assert.deepEqual(decode(portMap, { "80/tcp": null }), { "80/tcp": null });
    assert.deepEqual(decode(request, null), {});
  });

  test("a lone string is a command of one word", () => {
    assert.deepEqual(decode(request, { Cmd: "top" }), { Cmd: ["top"] });
  });

  test("names of Object.prototype are names like others", () => {
    const labels = JSON.parse('{"Labels":{"__proto__":"x","constructor":"y","toString":"z"}}');
    const decoded = decode(request, labels).Labels ?? {};
    assert.deepEqual(Object.entries(decoded), [
      ["__proto__", "x"],
      ["constructor", "y"],
      ["toString", "z"],
    ]);
    assert.equal(({} as Record<string, unknown>)["x"], undefined);
    assert.deepEqual(decode(request, JSON.parse('{"__proto__":{"Hostname":"x"},"constructor":1}')), {});
  });

  test("any value passes through", () => {
    assert.deepEqual(decode(request, { Extra: { a: [1, "b"] } }), { Extra: { a: [1, "b"] } });
  });
});

const valueOf = (schema: Schema): fc.Arbitrary<unknown> => {
  switch (schema.kind) {
    case "string":
      return fc.string();
    case "bool":
      return fc.boolean();
    case "int":
      return fc.integer({ min: Math.max(schema.min ?? 0, -1e9), max: Math.min(schema.max ?? 0, 1e9) });
    case "float":
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case "any":
      return fc.jsonValue().filter((value) => value !== null);
    case "list":
      return fc.array(valueOf(schema.item), { maxLength: 3 });
    case "map":
      return fc.dictionary(fc.string(), valueOf(schema.value), { maxKeys: 3 });
    case "nullable":
    case "optional":
      return valueOf(schema.of);
    case "struct":
      return fc.record(
        Object.fromEntries(Object.entries(schema.fields).map(([name, field]) => [name, valueOf(field)])),
        {
          requiredKeys: [],
        },
      );
  }
};

test("a value of the schema decodes to itself", () => {
  fc.assert(
    fc.property(valueOf(request), (value) => {
      const sent = JSON.parse(JSON.stringify(value));
      assert.equal(JSON.stringify(decodeUntyped(request, sent)), JSON.stringify(sent));
    }),
  );
});

test("whatever JSON comes, the answer is a value or a Fault", () => {
  const keys = fc.constantFrom(
    "Hostname",
    "env",
    "CMD",
    "HostConfig",
    "memory",
    "PortBindings",
    "Mounts",
    "Labels",
    "x",
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<unknown>(null, 0, 1.5, -1, 1e300, true, "s"),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(keys, tie("tree"), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      try {
        decodeUntyped(request, value);
      } catch (error) {
        assert.ok(error instanceof Fault && error.kind === "invalidParameter", String(error));
        assert.match(error.message, /^json: cannot unmarshal /);
      }
    }),
    { numRuns: 1000 },
  );
});
