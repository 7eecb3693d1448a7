import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { expandWord, expandWords } from "./expand.ts";

const VARIABLES: Readonly<Record<string, string>> = {
  HOME: "/home/me",
  EMPTY: "",
  PATHS: "/a/b/c.tar.gz",
  WORDS: "x y  z",
  STAR: "a*b",
  ÜMLAUT: "ü",
};
const lookup = (name: string) => (Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined);
const expand = (text: string) => expandWord(text, lookup);

const EXPANSIONS: [text: string, result: string][] = [
  ["plain", "plain"],
  ["$HOME/x", "/home/me/x"],
  ["${HOME}x", "/home/mex"],
  ["$UNSET.", "."],
  ["$", "$"],
  ["$.", "$."],
  ["\\$HOME", "$HOME"],
  ["'$HOME'", "$HOME"],
  ['"$HOME"', "/home/me"],
  ['"\\$HOME \\x \\""', '$HOME \\x "'],
  ["a'b'\"c\"", "abc"],
  ["end\\", "end"],
  ["$ÜMLAUT", "ü"],
  ["$1a", "a"],
  ["$@x", "x"],
  ["${UNSET:-d}", "d"],
  ["${EMPTY:-d}", "d"],
  ["${EMPTY-d}", ""],
  ["${UNSET-d}", "d"],
  ["${HOME:+set}", "set"],
  ["${EMPTY:+set}", ""],
  ["${EMPTY+set}", "set"],
  ["${UNSET+set}", ""],
  ["${HOME:?no}", "/home/me"],
  ["${UNSET:-${HOME:-x}}", "/home/me"],
  ["${UNSET:-'q u'}", "q u"],
  ["${UNSET:-\\}}", "}"],
  ["${PATHS#*/}", "a/b/c.tar.gz"],
  ["${PATHS##*/}", "c.tar.gz"],
  ["${PATHS%.*}", "/a/b/c.tar"],
  ["${PATHS%%.*}", "/a/b/c"],
  ["${PATHS#/?/}", "b/c.tar.gz"],
  ["${PATHS#nope}", "/a/b/c.tar.gz"],
  ["${PATHS/b/X}", "/a/X/c.tar.gz"],
  ["${PATHS/a/-}", "/-/b/c.tar.gz"],
  ["${PATHS//a/-}", "/-/b/c.t-r.gz"],
  ["${PATHS//\\//:}", ":a:b:c.tar.gz"],
  ["${PATHS/.*/}", "/a/b/c"],
  ["${STAR#a\\*}", "b"],
  ["${STAR/\\*/+}", "a+b"],
  ["${UNSET#x}", ""],
];

for (const [text, result] of EXPANSIONS) {
  test(`expandWord makes ${result || "nothing"} of ${text}`, () => assert.equal(expand(text), result));
}

const FAILURES: [text: string, message: string][] = [
  ["${HOME", "failed to process \"${HOME\": syntax error: missing '}'"],
  ["${", "failed to process \"${\": syntax error: missing '}'"],
  ["${}", 'failed to process "${}": syntax error: bad substitution'],
  ["${:x}", 'failed to process "${:x}": syntax error: bad substitution'],
  ["${HOME:=x}", 'failed to process "${HOME:=x}": unsupported modifier (:=) in substitution'],
  ["${HOME:#x}", 'failed to process "${HOME:#x}": unsupported modifier (:#) in substitution'],
  ["${UNSET?}", 'failed to process "${UNSET?}": UNSET: is not allowed to be unset'],
  ["${EMPTY:?}", 'failed to process "${EMPTY:?}": EMPTY: is not allowed to be empty'],
  ["${UNSET:?say why}", 'failed to process "${UNSET:?say why}": UNSET: say why'],
  [
    "'open",
    'failed to process "\'open": unexpected end of statement while looking for matching single-quote',
  ],
  [
    '"open',
    'failed to process "\\"open": unexpected end of statement while looking for matching double-quote',
  ],
  ["${HOME/x", "failed to process \"${HOME/x\": syntax error: missing '/' in ${}"],
  [
    "${HOME#\\x}",
    "failed to process \"${HOME#\\\\x}\": invalid pattern (\\x) in substitution: invalid escape '\\x'",
  ],
];

for (const [text, message] of FAILURES) {
  test(`expandWord refuses ${text}`, () =>
    assert.throws(() => expand(text), { message, code: "dockerfile.syntax" }));
}

test("expandWords splits what variables bring, but not what is quoted", () => {
  assert.deepEqual(expandWords("a $WORDS 'b c' \"$WORDS\"d", lookup), ["a", "x", "y", "z", "b c", "x y  zd"]);
  assert.deepEqual(expandWords("  ", lookup), []);
});

test("the escape character can be the backtick", () => {
  assert.equal(expandWord("`$HOME C:\\x", lookup, { escape: "`" }), "$HOME C:\\x");
});

test("keepUnset leaves references, ignoreQuotes leaves quotes", () => {
  assert.equal(
    expandWord("$UNSET ${UNSET:-x} $HOME", lookup, { keepUnset: true }),
    "$UNSET ${UNSET:-x} /home/me",
  );
  assert.equal(expandWord("it's $HOME \"", lookup, { ignoreQuotes: true }), "it's /home/me \"");
});

test("expansion is bounded in size, depth and time", () => {
  const big = (name: string) => (name === "B" ? "b".repeat(60_000) : undefined);
  assert.throws(() => expandWord("$B".repeat(30), big), /longer than/);
  assert.throws(() => expandWord("${a:-".repeat(100), lookup), /nested too deeply/);
  assert.throws(() => expandWord(`\${B//${"b*".repeat(30)}c/}`, big), /takes too long/);
});

test("expansion throws nothing but Faults", () => {
  const text = fc.string({ unit: fc.constantFrom(..."${}:-+?#%/'\"\\ aH<") });
  fc.assert(
    fc.property(text, (t) => {
      for (const run of [() => expandWord(t, () => "aHa"), () => expandWords(t, () => undefined)]) {
        try {
          run();
        } catch (error) {
          assert(error instanceof Fault);
        }
      }
    }),
    { numRuns: 2000 },
  );
});
