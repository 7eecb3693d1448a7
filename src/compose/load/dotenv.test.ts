// What .env files say. The expected values are Docker Compose's for the same lines.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDotenv, parseRawEnv } from "./dotenv.ts";

function parse(text: string, environment: Readonly<Record<string, string>> = {}): Record<string, string> {
  const variables = new Map<string, string>();
  parseDotenv(text, variables, { file: ".env", lookup: (name) => environment[name] });
  return Object.fromEntries(variables);
}

const table: readonly (readonly [line: string, value: string])[] = [
  ["X=1", "1"],
  ["X = two words  # comment", "two words"],
  ["X=a#b", "a#b"],
  ["X='single $A # not'", "single $A # not"],
  ['X="double $A \\n \\t \\" \\\\ \\$A"', 'double a \n \t " \\ $A'],
  ["X=", ""],
  ["export X=exported", "exported"],
  ["X: yaml", "yaml"],
  ['X="multi\nline"', "multi\nline"],
  ['X="${A}-${UNSET:-def}"', "a-def"],
  ["X=$A$$B", "a$B"],
  ["X=${A:?wanted}", "a"],
  ["X=\\n", "\\n"],
  ['X="\\101 \\0101"', "\\101 A"],
  ["X='a\\'b'", "a'b"],
  ['X="a\\qb"', "a\\qb"],
  ["X=  spaced   ", "spaced"],
  ["X=crlf\r", "crlf"],
  ['X="q"\r\n# more', "q"],
  ["\uFEFFX=bom", "bom"],
];

for (const [line, value] of table) {
  test(`${JSON.stringify(line)} is ${JSON.stringify(value)}`, () => {
    assert.deepEqual(parse(line, { A: "a" }), { X: value });
  });
}

test("a name alone is inherited, or nothing", () => {
  assert.deepEqual(parse("T\nU\nV=1", { T: "inherited" }), { T: "inherited", V: "1" });
});

test("names may have dots, dashes and brackets", () => {
  assert.deepEqual(parse("a.b-c=1\nO[0]=idx"), { "a.b-c": "1", "O[0]": "idx" });
});

test("mistakes name their line", () => {
  const refuse = (text: string, message: RegExp) => assert.throws(() => parse(text), { message });
  refuse("A=1\nB%=2", /^failed to read \.env: line 2: unexpected character "%" in variable name "B%=2"$/);
  refuse("A B=2", /line 1: key cannot contain a space/);
  refuse("A='open", /line 1: unterminated quoted value 'open/);
  refuse("A=${B:?must be}", /required variable B is missing a value: must be/);
});

test("the raw format takes lines as they are", () => {
  const variables = new Map<string, string>();
  parseRawEnv("A='$B' # all\n# comment\n\nC=d=e\r\n", variables);
  assert.deepEqual(Object.fromEntries(variables), { A: "'$B' # all", C: "d=e" });
});
