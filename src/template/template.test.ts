// Compares the template engine with what Go's own text/template gave for the same templates and data
// (testdata/go-results.json: [template, output or null, error or null]).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Fault, messageOf } from "../lib/errors.ts";
import { headerFunctions } from "./docker-funcs.ts";
import { Template } from "./template.ts";
import { GoFloat, GoMap, GoNil, GoStruct, GoText, typedSlice } from "./values.ts";

const results: [string, string | null, string | null][] = JSON.parse(
  readFileSync(new URL("./testdata/go-results.json", import.meta.url), "utf8"),
);

function binding(ip: string, port: string): GoStruct {
  return new GoStruct("main.PB", new Map(Object.entries({ HostIp: ip, HostPort: port })));
}

const struct = new GoStruct(
  "main.T",
  new Map<string, unknown>(
    Object.entries({
      Name: "tee",
      Ports: typedSlice("[]main.PB", [binding("0.0.0.0", "80"), binding("", "81")]),
      NilMap: new GoNil("map[string]string", undefined, ""),
      NilSlice: new GoNil("[]string"),
      NilPtr: new GoNil("*main.Inner", ["Name"]),
      Ptr: new GoNil("*main.Inner", ["Name"]),
      PortMap: new GoMap(
        "map[string][]main.PB",
        new Map([["80/tcp", typedSlice("[]main.PB", [binding("0.0.0.0", "8080")])]]),
        new GoNil("[]main.PB"),
      ),
      When: new GoText("time.Time", "2024-01-02 03:04:05.6789 +0000 UTC", "2024-01-02T03:04:05.6789Z"),
      N: 3,
      B: true,
    }),
  ),
  {
    Method: { params: [], call: () => "m:tee" },
    Label: { params: ["string"], call: (key: string) => `l:${key}` },
    Fail: {
      params: [],
      call: () => {
        throw new Error("boom");
      },
    },
  },
  () => {
    const fields = [...struct.fields].filter(([name]) => name !== "Ptr");
    return new GoStruct("main.T", new Map(fields));
  },
);

const data = {
  Name: "bob",
  Count: 42,
  Nil: null,
  Nested: { Deep: { Key: "val" } },
  List: [1, 2, 3],
  Strs: typedSlice("[]string", ["x", "y"]),
  T: struct,
  P: new GoStruct("*main.Inner", new Map([["Name", "in"]])),
  Map: { b: 2, a: 1, c: "three" },
  Labels: new GoMap("map[string]string", new Map([["com.x", "y"]]), ""),
  Empty: "",
  Zero: 0,
  Emptylist: [],
  Bool: true,
  Uni: "é世",
  Float: 1.5,
  BigFloat: new GoFloat(1e6),
  Big: 1234567890123n,
};

for (const [source, output, error] of results) {
  test(`template ${JSON.stringify(source)} gives what Go gives`, () => {
    let got: string | null = null;
    let failure: string | null = null;
    try {
      got = new Template(source).execute(data);
    } catch (caught) {
      assert.ok(caught instanceof Fault);
      failure = messageOf(caught);
    }
    // Go prints the address of a nested pointer.
    const plain = (text: string | null): string | null =>
      text?.replace(/0x[0-9a-f]{8,}/, "0xADDRESS") ?? null;
    assert.deepEqual({ output: plain(got), error: failure }, { output: plain(output), error });
  });
}

test("missing keys are errors when asked for", () => {
  const template = new Template("{{.a.b}}");
  assert.throws(() => template.execute({ a: {} }, { missingKey: "error" }), {
    message: 'template: :1:4: executing "" at <.a.b>: map has no entry for key "b"',
  });
  assert.throws(() => template.execute({}, { missingKey: "error" }), /map has no entry for key "a"/);
});

test("header functions leave a column's title alone", () => {
  const template = new Template("{{upper .ID}} {{truncate .ID 1}} {{json .Name}} {{join .Name 1}}");
  assert.throws(() => template.execute({ ID: "a", Name: "b" }, {}), Fault);
  const header = template.execute({ ID: "Id", Name: "Name" }, { functions: headerFunctions });
  assert.equal(header, "Id Id Name Name");
});

test("a template that calls itself forever is stopped", () => {
  const template = new Template('{{define "a"}}{{template "a"}}{{end}}{{template "a"}}');
  assert.throws(() => template.execute({}), /exceeded maximum template depth/);
});

test("deep nesting and long sources are refused", () => {
  assert.throws(() => new Template(`{{${"(".repeat(5000)}1${")".repeat(5000)}}}`), Fault);
  assert.throws(() => new Template("x".repeat(2 << 20)), Fault);
});

test("any text either parses and runs or throws a Fault", () => {
  const pieces = fc.constantFrom(
    ...[
      "{{",
      "}}",
      " ",
      ".",
      "Name",
      "if",
      "end",
      "range",
      "$x",
      ":=",
      "|",
      "(",
      ")",
      '"',
      "a",
      "1",
      "-",
      "else",
    ],
    ...["with", "define", "block", "template", "nil", "printf", "index", ",", "`", "'", "\\", "\n", "é"],
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
      try {
        new Template(parts.join("")).execute(data);
      } catch (error) {
        assert.ok(error instanceof Fault, messageOf(error));
      }
    }),
    { numRuns: 2000 },
  );
});
