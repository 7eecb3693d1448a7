import assert from "node:assert/strict";
import { test } from "node:test";
import { lintDockerfile } from "./lint.ts";
import { parseDockerfile } from "./parse.ts";

const imageVariables = (name: string) => (name === "known" ? ["HOME"] : undefined);
const lint = (text: string, ignored: string[] = []) =>
  lintDockerfile(parseDockerfile(text), { ignored, imageVariables }).findings.map(
    (f) => `${f.line} ${f.rule}: ${f.message}`,
  );

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
    ["FROM known AS b\nFROM b\nUSER $X_Y_Z\n", "3 UndefinedVar: Usage of undefined variable '$X_Y_Z'"],
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

test("variables are not missed where they may be set, or where the word says what happens without them", () => {
  const texts = [
    "FROM unknown\nENV A=$ANY\n",
    "FROM known\nENV A=$HOME:$PATH B=${X:-y} C=\\$D E='$F'\n",
    "FROM scratch\nARG A\nLABEL a=$A\nENV B=$HTTP_PROXY\n",
    "# b is described\nFROM known AS b\n\n# of nothing\n\nARG C\n",
  ];
  for (const text of texts) assert.deepEqual(lint(`# check=experimental=all\n${text}`), [], text);
});

test("the check directive leaves rules out, or makes findings errors", () => {
  assert.deepEqual(lint("# check=skip=JSONArgsRecommended\nFROM a\nCMD x\n"), []);
  assert.deepEqual(lint("# check=skip=all\nFROM a as B\nCMD x\n"), []);
  const strict = lintDockerfile(parseDockerfile("# check=error=true\nFROM a\nCMD x\n"), { ignored: [] });
  assert.equal(strict.isError, true);
  assert.equal(strict.findings[0]?.url, "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
  assert.throws(() => lint("# check=nonsense\nFROM a\n"), /invalid check option "nonsense"/);
});
