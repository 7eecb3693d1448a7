// pflag's rules: what docker's users type, and what they are told when it is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../errors.ts";
import { parseFlags } from "./parse.ts";
import { bool, int, list, map, parseCsv, string, stringToString, strings, uint } from "./spec.ts";
import { flagUsages } from "./usage.ts";

const table = {
  detach: bool("Run in background", { short: "d" }),
  interactive: bool("Keep stdin", { short: "i" }),
  tty: bool("Allocate a tty", { short: "t" }),
  rm: bool("Remove afterwards"),
  "sig-proxy": bool("Proxy signals", { initial: true }),
  env: list("Set variables", { short: "e" }),
  publish: list("Publish ports", { short: "p" }),
  memory: int("Limit", { short: "m" }),
  "memory-swap": int("Swap limit"),
  "blkio-weight": uint("Weight", 16),
  hostname: string("Host name", { short: "h" }),
  name: string("Name"),
  sysctl: map("Kernel settings"),
  alias: strings("Aliases"),
  old: bool("Old", { deprecated: "use --new" }),
};

const parse = (argv: readonly string[], interspersed = false) => parseFlags(table, argv, { interspersed });

test("flags before the image are ours, those after it are the container's", () => {
  const { values, args } = parse(
    "-dit --rm -e A=1 -eB=2 --env=C=3 -p80:80 --memory-swap -1 -h box --tty=false img ls -la --rm -e X -- y".split(
      " ",
    ),
  );
  assert.equal(values.detach, true);
  assert.equal(values.interactive, true);
  assert.equal(values.tty, false);
  assert.equal(values.rm, true);
  assert.deepEqual(values.env, ["A=1", "B=2", "C=3"]);
  assert.deepEqual(values.publish, ["80:80"]);
  assert.equal(values["memory-swap"], -1);
  assert.equal(values.hostname, "box");
  assert.deepEqual(args, ["img", "ls", "-la", "--rm", "-e", "X", "--", "y"]);
});

test("interspersed flags are found after operands, up to --", () => {
  const { values, args } = parse(["a", "-d", "b", "--name", "n", "--", "-t", "c"], true);
  assert.deepEqual([values.detach, values.tty, values.name, args], [true, false, "n", ["a", "b", "-t", "c"]]);
});

test("values follow in every spelling", () => {
  assert.equal(parse(["--name="]).values.name, "");
  assert.equal(parse(["--name", "-x"]).values.name, "-x");
  assert.equal(parse(["-hbox"]).values.hostname, "box");
  assert.equal(parse(["-h=box"]).values.hostname, "box");
  assert.equal(parse(["-dh=box"]).values.hostname, "box");
  assert.equal(parse(["-d=false"]).values.detach, false);
  assert.equal(parse(["-m", "0x10"]).values.memory, 16);
  assert.deepEqual(parse(["--sysctl", "a=b=c", "--sysctl", "d"]).values.sysctl, { a: "b=c", d: "" });
  assert.deepEqual(parse(["--alias", 'a,"b,c"', "--alias=d"]).values.alias, ["a", "b,c", "d"]);
  assert.equal(parse([]).values["sig-proxy"], true);
  assert.deepEqual([...parse(["-d", "--name", "x"]).given], ["detach", "name"]);
  assert.deepEqual(parse(["-", "x"]).args, ["-", "x"]);
});

test("mistakes get pflag's words", () => {
  const cases: [string[], string][] = [
    [["--foo"], "unknown flag: --foo"],
    [["--foo=bar"], "unknown flag: --foo"],
    [["-z"], "unknown shorthand flag: 'z' in -z"],
    [["-dzx"], "unknown shorthand flag: 'z' in -zx"],
    [["-=x"], "unknown shorthand flag: '=' in -=x"],
    [["--=x"], "bad flag syntax: --=x"],
    [["---x"], "bad flag syntax: ---x"],
    [["--name"], "flag needs an argument: --name"],
    [["-e"], "flag needs an argument: 'e' in -e"],
    [["-de"], "flag needs an argument: 'e' in -e"],
    [
      ["-m", "abc"],
      'invalid argument "abc" for "-m, --memory" flag: strconv.ParseInt: parsing "abc": invalid syntax',
    ],
    [
      ["--blkio-weight", "70000"],
      'invalid argument "70000" for "--blkio-weight" flag: strconv.ParseUint: parsing "70000": value out of range',
    ],
    [
      ["--tty=x"],
      'invalid argument "x" for "-t, --tty" flag: strconv.ParseBool: parsing "x": invalid syntax',
    ],
    [["--constructor"], "unknown flag: --constructor"],
  ];
  for (const [argv, message] of cases) assert.throws(() => parse(argv), { message, code: "flags.usage" });
});

test("help is asked for by --help, and by -h where that letter is free", () => {
  assert.equal(parse(["--help", "--foo"]).help, "help");
  assert.equal(parse(["-h", "x"]).help, undefined);
  const { hostname: _, ...rest } = table;
  assert.equal(parseFlags(rest, ["-dh"]).help, "h");
});

test("deprecated flags work and say so", () => {
  const { values, notices } = parse(["--old"]);
  assert.equal(values.old, true);
  assert.deepEqual(notices, ["Flag --old has been deprecated, use --new"]);
});

test("parseCsv follows Go's encoding/csv", () => {
  assert.deepEqual(parseCsv("a,,b,"), ["a", "", "b", ""]);
  assert.deepEqual(parseCsv('"a,b","c""d"'), ["a,b", 'c"d']);
  assert.throws(() => parseCsv('a"b'), /bare " in non-quoted/);
  assert.throws(() => parseCsv('"a'), Fault);
});

test("flagUsages lays out and wraps as pflag does", () => {
  const text = flagUsages(
    {
      all: bool("Show all containers (default shows just running)", { short: "a" }),
      last: int("Show n last created containers (includes all states)", { short: "n", initial: -1 }),
      "no-trunc": bool("Don't truncate output"),
      hidden: bool("x", { hidden: true }),
    },
    79,
  );
  assert.equal(
    text,
    [
      "  -a, --all        Show all containers (default shows just running)\n",
      "  -n, --last int   Show n last created containers (includes all states)\n",
      "                   (default -1)\n",
      "      --no-trunc   Don't truncate output\n",
    ].join(""),
  );
});

test("any argv either parses or throws a Fault", () => {
  const word = fc.constantFrom(..."-d -e --name --tty=0 -m=1 x -- - --help -hq =a --=".split(" "), "");
  fc.assert(
    fc.property(fc.array(word), (argv) => {
      try {
        parse(argv, true);
      } catch (error) {
        assert.ok(error instanceof Fault);
      }
    }),
  );
});

test("stringToString takes pairs in one text and in several, and one pair with commas", () => {
  const parse = (...texts: string[]) =>
    parseFlags(
      { x: stringToString("") },
      texts.flatMap((text) => ["--x", text]),
    ).values.x;
  assert.deepEqual(parse("a=1,b=2", "b=3"), { a: "1", b: "3" });
  assert.deepEqual(parse("a=1,2"), { a: "1,2" });
  assert.deepEqual(parse('"a=1"'), { a: "1" });
  assert.deepEqual(parse('"a=1,2",b=x=y'), { a: "1,2", b: "x=y" });
  for (const text of ["", "a", "a=1,b,c=2"])
    assert.throws(() => parse(text), /must be formatted as key=value/);
});
