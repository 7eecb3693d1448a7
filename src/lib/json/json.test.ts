import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../errors.ts";
import { compactJson, parseExactJson, parseJson, stringifyJson } from "./parse.ts";
import { findJsonProblem } from "./scan.ts";

// The sentences are Go's, as dockerd 20.10 and go 1.19's json.Unmarshal print them.
const PROBLEMS: readonly (readonly [source: string, problem: string])[] = [
  ["", "unexpected end of JSON input"],
  ["  ", "unexpected end of JSON input"],
  ["{", "unexpected end of JSON input"],
  ['{"a"', "unexpected end of JSON input"],
  ['"abc', "unexpected end of JSON input"],
  ["x", "invalid character 'x' looking for beginning of value"],
  ["{]", "invalid character ']' looking for beginning of object key string"],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
  ["[1 2]", "invalid character '2' after array element"],
  ["[1,]", "invalid character ']' looking for beginning of value"],
  ['{"a":tru}', "invalid character '}' in literal true (expecting 'e')"],
  ["nul1", "invalid character '1' in literal null (expecting 'l')"],
  ['"\\q"', "invalid character 'q' in string escape code"],
  ['"\\u12x4"', "invalid character 'x' in \\u hexadecimal character escape"],
  ['"a\nb"', "invalid character '\\n' in string literal"],
  ["-", "unexpected end of JSON input"],
  ["-x", "invalid character 'x' in numeric literal"],
  ["1.x", "invalid character 'x' after decimal point in numeric literal"],
  ["1ex", "invalid character 'x' in exponent of numeric literal"],
  ["01", "invalid character '1' after top-level value"],
  ["{} x", "invalid character 'x' after top-level value"],
  ["'a'", "invalid character '\\'' looking for beginning of value"],
];

test("problems are told in Go's words", () => {
  for (const [source, problem] of PROBLEMS) assert.equal(findJsonProblem(source)?.text, problem, source);
});

test("a problem is found exactly where JSON.parse finds one", () => {
  const almost = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([json, at, noise]) => {
    const cut = at % (json.length + 1);
    return json.slice(0, cut) + noise + json.slice(cut + noise.length);
  });
  fc.assert(
    fc.property(fc.oneof(fc.json(), almost, fc.string()), (source) => {
      let isValid = true;
      try {
        JSON.parse(source);
      } catch {
        isValid = false;
      }
      assert.equal(findJsonProblem(source) === undefined, isValid, JSON.stringify(source));
    }),
    { numRuns: 2000 },
  );
});

test("nesting is bounded, brackets in strings do not count", () => {
  assert.throws(() => parseJson("[".repeat(201)), {
    message: "exceeded max depth",
    kind: "invalidParameter",
  });
  assert.throws(() => parseJson("[".repeat(5_000_000)), Fault);
  assert.equal(parseJson(`"${"[".repeat(1000)}\\"["`), `${"[".repeat(1000)}"[`);
  assert.deepEqual(parseJson("[[[]],[[]]]"), [[[]], [[]]]);
});

test("named integers beyond 2^53 keep their digits both ways", () => {
  const source = '{"timeNano":1763712345123456789,"other":9007199254740993,"small":1}';
  const value = parseExactJson(source, ["timeNano"]) as Record<string, unknown>;
  assert.equal(value["timeNano"], 1763712345123456789n);
  assert.equal(typeof value["other"], "number");
  assert.equal(stringifyJson({ timeNano: value["timeNano"] }), '{"timeNano":1763712345123456789}');
});

test("compactJson takes blanks out between tokens and leaves texts and numbers alone", () => {
  assert.equal(
    compactJson(' { "a b" : [ 1.50,\n"x \\" \\\\ y" , true ] }\n'),
    '{"a b":[1.50,"x \\" \\\\ y",true]}',
  );
  assert.throws(() => compactJson("{"), { message: "unexpected end of JSON input" });
});
