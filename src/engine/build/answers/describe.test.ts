// What a Dockerfile offers; the texts are those that BuildKit prints of such a Dockerfile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerfile } from "../../../build/dockerfile/parse.ts";
import { groupStages } from "../../../build/dockerfile/stages.ts";
import { BuildArgs } from "../../../build/graph/args.ts";
import { describeTarget } from "../../../build/graph/describe.ts";
import { NamedContexts } from "../../../build/graph/named-contexts.ts";
import { outlineAnswer, targetsAnswer } from "./describe.ts";

const DOCKERFILE = `# GV version of base
ARG GV=1.0
ARG V=\${GV}-x
ARG UNUSED=1
# base the base stage
FROM busybox AS base
# FOO a foo
ARG FOO=bar
ARG GV
RUN --mount=type=secret,id=tok --mount=type=ssh,required=true true

FROM busybox:\${V} AS dep
ARG D
RUN --mount=type=secret,target=/x/pw,required true

# final the final thing
FROM base AS final
COPY --from=dep /a /a
ENV Z=q
ARG W=\${Z}1
`;

function describe(text: string, target?: string) {
  const file = groupStages(parseDockerfile(text));
  const args = new BuildArgs({ FOO: "given" }, new Map());
  const contexts = new NamedContexts();
  return { text, file, target: describeTarget(file, args, { target, contexts }) };
}
const outlined = (text: string, target?: string): string =>
  outlineAnswer(describe(text, target))["result.txt"] ?? "";

test("an outline tells what the target and the stages that it needs take", () => {
  assert.equal(
    outlined(DOCKERFILE),
    `TARGET:      final
DESCRIPTION: the final thing

BUILD ARG   VALUE   DESCRIPTION
GV          1.0     version of base
V           1.0-x   
FOO         given   a foo
D                   
W           q1      

SECRET   REQUIRED
tok      
pw       true

SSH       REQUIRED
default   true

`,
  );
  assert.doesNotMatch(outlined(DOCKERFILE, "base"), /^(?:V|D|W|pw) /m);
  assert.equal(outlined("FROM busybox\n"), "");
});

test("the document of an outline has the places, and leaves out what is empty", () => {
  const { "result.json": json = "", version } = outlineAnswer(describe(DOCKERFILE, "base"));
  const outline = JSON.parse(json) as { args: object[]; secrets: object[]; sources: string[] };
  const at = (line: number) => ({ ranges: [{ start: { line }, end: { line } }] });
  assert.equal(version, "1.0.0");
  assert.deepEqual(outline.args, [
    { name: "GV", description: "version of base", value: "1.0", location: at(2) },
    { name: "FOO", description: "a foo", value: "given", location: at(8) },
  ]);
  assert.deepEqual(outline.secrets, [{ name: "tok", location: at(10) }]);
  assert.equal(Buffer.from(outline.sources[0] ?? "", "base64").toString(), DOCKERFILE);
});

test("targets are listed with their descriptions", () => {
  const { "result.json": json = "", "result.txt": text } = targetsAnswer(describe(DOCKERFILE));
  assert.equal(
    text,
    `TARGET          DESCRIPTION
base            the base stage
dep             
final (default) the final thing
`,
  );
  const { targets } = JSON.parse(json) as { targets: { name: string; base: string; default?: boolean }[] };
  assert.deepEqual(
    targets.map((t) => [t.name, t.base, t.default]),
    [
      ["base", "busybox", undefined],
      ["dep", "busybox:${V}", undefined],
      ["final", "base", true],
    ],
  );
  assert.equal(
    targetsAnswer(describe("FROM busybox\n"))["result.txt"],
    "TARGET    DESCRIPTION\n(default) \n",
  );
});
