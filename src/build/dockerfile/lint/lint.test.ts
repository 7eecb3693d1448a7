import assert from "node:assert/strict";
import { test } from "node:test";
import { platformArgs } from "../../graph/args.ts";
import { parseDockerfile } from "../parse.ts";
import { groupStages } from "../stages.ts";
import { Linter, type LintOptions } from "./lint.ts";

const HOST = { os: "linux", architecture: "amd64" };
const predefined = platformArgs(HOST, HOST);
const imageOf = (name: string) =>
  name === "known" ? { env: ["HOME=/root"], hasShell: false, triggers: ["CMD a"] } : undefined;
const linter = (text: string, options: Partial<LintOptions> = {}) => {
  const parsed = parseDockerfile(text);
  const file = groupStages(parsed, { isBuildkit: true });
  const made = new Linter(parsed.directives.check ?? "", { ignored: [], given: {}, ...options });
  made.checkInstructions(parsed.instructions);
  made.checkStages(file, predefined);
  made.checkSteps(file, new Set(file.stages.map(({ index }) => index)), { predefined, imageOf });
  return made;
};
const lint = (text: string, ignored: string[] = [], given: Record<string, string> = {}) =>
  linter(text, { ignored, given }).findings.map((f) => `${f.line} ${f.rule}: ${f.message}`);

test("a good Dockerfile has no findings", () => {
  const good = [
    "ARG V=1",
    "FROM --platform=$BUILDPLATFORM base:$V AS build",
    "ENV A=b PUBLIC_KEY=x",
    "WORKDIR /a",
    "WORKDIR b",
    "EXPOSE 80/tcp",
    'CMD ["x"]',
  ];
  assert.deepEqual(lint(`${good.join("\n")}\n`), []);
});

test("each rule finds its mistake, in BuildKit's words", () => {
  const cases: [text: string, finding: string, ignored?: string[]][] = [
    ["FROM a AS Build\n", "1 StageNameCasing: Stage name 'Build' should be lowercase"],
    ["FROM a as b\n", "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"],
    [
      "FROM a\nRUN b\nrun c\n",
      "3 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)",
    ],
    [
      "FROM a AS context\n",
      '1 ReservedStageName: Stage name should not use the same name as reserved stage "context"',
    ],
    [
      "FROM a\nCMD x\n",
      "2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
    ],
    [
      "FROM a AS b\nFROM c AS b\n",
      '2 DuplicateStageName: Duplicate stage name "b", stage names should be unique',
    ],
    ["FROM a\nRUN x \\\n\n  y\n", "4 NoEmptyContinuation: Empty continuation line"],
    [
      "FROM scratch\nENV FOOBAR=1\nENV A=$FOOBA\n",
      "3 UndefinedVar: Usage of undefined variable '$FOOBA' (did you mean $FOOBAR?)",
    ],
    ["FROM scratch AS b\nFROM b\nUSER $X_Y_Z\n", "3 UndefinedVar: Usage of undefined variable '$X_Y_Z'"],
    [
      "ARG TAG\nFROM a:${TAG}\n",
      "2 InvalidDefaultArgInFrom: Default value for ARG a:${TAG} results in empty or invalid base image name",
    ],
    [
      "# check=experimental=all\n# other things\nFROM a AS b\n",
      "3 InvalidDefinitionDescription: Comment for FROM should follow the format: `# b <description>`",
    ],
    [
      "FROM a\nMAINTAINER x\n",
      "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label",
    ],
    [
      "ARG VERSION=1\nFROM a:1$VERSIO\n",
      "2 UndefinedArgInFrom: FROM argument 'VERSIO' is not declared (did you mean VERSION?)",
    ],
    [
      "FROM a\nWORKDIR b\n",
      '2 WorkdirRelativePath: Relative workdir "b" can have unexpected results if the base image changes',
    ],
    [
      'FROM a\nCMD ["x"]\nCMD ["y"]\n',
      "2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used",
    ],
    [
      "FROM a\nENV A b\n",
      '2 LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format',
    ],
    [
      "FROM --platform=$TARGETPLATFORM a\n",
      "1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    ],
    [
      "FROM --platform=linux/amd64 a\n",
      '1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"',
    ],
    [
      "FROM a\nARG API_TOKEN\n",
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "API_TOKEN")',
    ],
    [
      "FROM a\nEXPOSE 80/TCP\n",
      "2 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
    ],
    [
      "FROM a\nEXPOSE 8080:80\n",
      "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '8080:80'",
    ],
    [
      "FROM a\nCOPY ./x /x\n",
      '2 CopyIgnoredFile: Attempting to Copy file "x" that is excluded by .dockerignore',
      ["x"],
    ],
  ];
  for (const [text, finding, ignored] of cases) assert.deepEqual(lint(text, ignored), [finding], text);
});

test("findings come in the order of BuildKit's linter: words, names, cases, FROM, and then what stages do", () => {
  const text = [
    "FROM --platform=linux/amd64 known as B",
    "CMD a",
    "cmd b",
    "MAINTAINER me",
    "FROM B AS context",
    "RUN a \\",
    "",
    "  b",
    "ARG KEY=$X",
    "",
  ].join("\n");
  assert.deepEqual(
    linter(text).findings.map(({ line, rule }) => `${line} ${rule}`),
    [
      "8 NoEmptyContinuation",
      "1 StageNameCasing",
      "1 FromAsCasing",
      "4 MaintainerDeprecated",
      "5 ReservedStageName",
      "3 ConsistentInstructionCasing",
      "5 InvalidDefaultArgInFrom",
      "1 FromPlatformFlagConstDisallowed",
      "1 JSONArgsRecommended",
      "1 MultipleInstructionsDisallowed",
      "2 JSONArgsRecommended",
      "2 MultipleInstructionsDisallowed",
      "3 JSONArgsRecommended",
      "9 SecretsUsedInArgOrEnv",
    ],
  );
});

test("what a stage inherits is known: variables, arguments, shell and directory", () => {
  const base = 'FROM scratch AS a\nENV V=1\nARG W\nSHELL ["s"]\nWORKDIR /a\n';
  assert.deepEqual(lint(`${base}FROM a\nENV A=$V$W\nCMD x\nWORKDIR b\n`), []);
  assert.deepEqual(lint(`${base}FROM scratch\nENV A=$V\n`), [
    "7 UndefinedVar: Usage of undefined variable '$V'",
  ]);
});

test("values count, not words: of arguments, defaults and here-documents", () => {
  const cases: [text: string, found: string[], given?: Record<string, string>][] = [
    ["FROM scratch\nARG D=/a\nWORKDIR $D\n", []],
    [
      "FROM scratch\nARG P=80/TCP\nEXPOSE $P\n",
      ["3 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"],
    ],
    [
      "ARG B\nFROM $B\n",
      ["2 InvalidDefaultArgInFrom: Default value for ARG $B results in empty or invalid base image name"],
      { B: "x" },
    ],
    ["FROM scratch\nENV A=${N:-x}\n", ["2 UndefinedVar: Usage of undefined variable '$N'"]],
    ["FROM scratch\nCOPY <<E /f\n$N\nE\n", ["2 UndefinedVar: Usage of undefined variable '$N'"]],
    ["FROM scratch\nCOPY <<'E' /f\n$N\nE\n", []],
    [
      "FROM scratch\nARG A\nENV B=$A C=$HTTP_PROXY\n",
      ["3 UndefinedVar: Usage of undefined variable '$HTTP_PROXY'"],
    ],
    ["FROM unknown\nENV A=$ANY\n", []],
    [
      "FROM known\nENV A=$HOME:$PATH C=\\$D E='$F'\n",
      [
        "1 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
      ],
    ],
  ];
  for (const [text, found, given] of cases) assert.deepEqual(lint(text, [], given), found, text);
});

test("what is ignored is told of, unless exceptions make it unclear", () => {
  const copies = "FROM scratch\nCOPY . /\nCOPY *.md x /\nADD https://h/x /\n";
  const lines = (ignored: string[]) =>
    linter(copies, { ignored }).findings.map(({ line, message }) => `${line} ${message.split('"')[1]}`);
  assert.deepEqual(lines(["*.md"]), ["3 *.md"]);
  assert.deepEqual(lines(["*"]), ["2 .", "3 *.md", "3 x"]);
  assert.deepEqual(lines(["*", "!x"]), []);
});

test("the check directive, a build argument and comments leave rules out", () => {
  const bad = "FROM a as b\nCMD x\n";
  const rules = (text: string, given = {}) => linter(text, { given }).findings.map(({ rule }) => rule);
  assert.deepEqual(rules(`# check=skip=JSONArgsRecommended\n${bad}`), ["FromAsCasing"]);
  assert.deepEqual(rules(`# check=skip=all\n${bad}`), []);
  assert.deepEqual(rules(bad, { BUILDKIT_DOCKERFILE_CHECK: "skip=FromAsCasing, X" }), [
    "JSONArgsRecommended",
  ]);
  assert.deepEqual(rules("FROM a as b\n# check=skip=all why=so\nCMD x\nENTRYPOINT y\n"), [
    "FromAsCasing",
    "JSONArgsRecommended",
  ]);
  const described = "# what\nFROM a AS b\n# c is\n\nARG c\n# other\n#\nARG d\n";
  assert.deepEqual(rules(described), []);
  assert.deepEqual(rules(`# check=experimental=all\n${described}`), ["InvalidDefinitionDescription"]);
});

test("error=true makes findings errors, and options that say nothing are one", () => {
  const finish = (text: string) => () => linter(text).finish();
  assert.throws(
    finish("# check=error=true\nFROM a\nCMD x\n"),
    /^Fault: lint violation found for rules: JSONArgsRecommended$/,
  );
  finish("# check=error=true;skip=JSONArgsRecommended\nFROM a\nCMD x\n")();
  finish("# check=error=FALSE\nFROM a\nCMD x\n")();
  assert.throws(
    finish("# check=nonsense\nFROM a\n"),
    /failed to parse check options: invalid check option "nonsense"/,
  );
  assert.throws(
    finish("# check=error=maybe\nFROM a\n"),
    /strconv.ParseBool: parsing "maybe": invalid syntax/,
  );
  const [finding] = linter("FROM a\nCMD x\n").findings;
  assert.equal(finding?.url, "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
});
