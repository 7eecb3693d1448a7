import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunConfig } from "../../oci/image-config.ts";
import { parseDockerfile } from "../dockerfile/parse.ts";
import { groupStages } from "../dockerfile/stages.ts";
import type { SourceImage } from "../solver/ports.ts";
import { BuildArgs, platformArgs } from "./args.ts";
import type { Dialect } from "./dialect.ts";
import { declareMetaArgs, outlineBuild } from "./outline.ts";
import { NamedContexts } from "./named-contexts.ts";
import { planBuild } from "./plan.ts";
import { parseExposedPorts } from "./ports-spec.ts";
import { checkSignal } from "./signals.ts";
import type { BuildGraph, Vertex } from "./vertex.ts";

const AMD64 = { os: "linux", architecture: "amd64" };
const ARM = { os: "linux", architecture: "arm", variant: "v7" };

interface Wish {
  dialect?: Dialect;
  buildArgs?: Record<string, string | null>;
  config?: RunConfig;
  target?: string;
}

async function plan(dockerfile: string, wish: Wish = {}): Promise<BuildGraph & { asked: string[] }> {
  const file = groupStages(parseDockerfile(dockerfile));
  const args = new BuildArgs(wish.buildArgs ?? {}, platformArgs(ARM, AMD64));
  declareMetaArgs(file, args);
  const contexts = new NamedContexts();
  const outline = outlineBuild(file, args, { target: wish.target, extraSteps: 0, contexts });
  const asked: string[] = [];
  const resolve = async (base: { reference: string }): Promise<SourceImage> => {
    asked.push(base.reference);
    const config = {
      architecture: "amd64",
      os: "linux",
      config: base.reference === "plain" ? {} : (wish.config ?? {}),
      diffIds: [],
      history: [],
    };
    return { id: `sha256:${base.reference}`, config, layers: [], name: base.reference };
  };
  const graph = await planBuild({
    file,
    outline,
    args,
    resolve,
    labels: {},
    network: "default",
    dialect: wish.dialect ?? "classic",
    contexts,
    allowed: [],
    devices: async () => ({ devices: new Map() }),
  });
  return { ...graph, asked };
}

/** One line per vertex: number, step, what, on what. */
function draw(graph: BuildGraph): string[] {
  return graph.vertices.map((v: Vertex) => {
    const { op } = v;
    const source = op.kind === "copy" && op.source !== "" ? ` from ${op.source}` : "";
    const on = v.parent === undefined ? "" : ` on ${v.parent}`;
    const stage = op.kind === "stage" ? ` = ${op.vertex}` : "";
    return `${v.id} step ${v.step}: ${op.kind}${stage}${on}${source}`;
  });
}

test("planBuild makes a chain per stage and ties stages together", async () => {
  const graph = await plan(
    "FROM a AS x\nRUN 1\nFROM b AS unneeded\nRUN 2\nFROM x\nCOPY --from=0 /f /f\nCOPY --from=img /g /g\nCMD c\n",
  );
  assert.deepEqual(draw(graph), [
    "0 step 1: image",
    "1 step 2: run on 0",
    "2 step 3: stage = 1",
    "3 step 4: copy on 2 from 1",
    "4 step 5: image",
    "5 step 5: copy on 3 from 4",
    "6 step 6: config on 5",
  ]);
  assert.equal(graph.target, 6);
  assert.equal(graph.totalSteps, 6);
  assert.deepEqual(graph.asked, ["a", "img"]);
});

test("a stage that only a trigger needs is built without steps of its own", async () => {
  const graph = await plan("FROM plain AS y\nFROM y AS x\nRUN 1\nFROM b\nRUN 2\n", {
    config: { onBuild: ["COPY --from=x /f /f"] },
  });
  assert.deepEqual(
    graph.vertices.map((v) => [v.stage, v.step, v.text ?? ""]),
    [
      [2, 1, "FROM b"],
      [2, 1, ""],
      [2, 1, ""],
      [2, 1, ""],
      [2, 1, ""],
      [2, 2, "RUN 2"],
    ],
  );
  assert.deepEqual(
    graph.stages.map((s) => s.index),
    [2],
  );
});

test("platform arguments need a declaration, and can be overridden", async () => {
  const { vertices } = await plan(
    "FROM a\nENV A=$TARGETARCH\nARG TARGETARCH TARGETVARIANT BUILDPLATFORM\nENV B=$TARGETARCH$TARGETVARIANT-$BUILDPLATFORM\n",
  );
  assert(vertices.at(-1)?.config.env?.includes("A="));
  assert(vertices.at(-1)?.config.env?.includes("B=armv7-linux/amd64"));
  const over = await plan("ARG TARGETARCH\nFROM a:$TARGETARCH\n", { buildArgs: { TARGETARCH: "mine" } });
  assert.deepEqual(over.asked, ["a:mine"]);
});

test("a build argument without a value is not set, ENV beats ARG", async () => {
  const { vertices } = await plan("FROM a\nARG X=1\nARG Y\nENV X=env\nRUN x\n", {
    buildArgs: { X: "given", Y: null },
  });
  const run = vertices.at(-1)?.op;
  assert(run?.kind === "run");
  assert.deepEqual(
    run.env.filter((e) => !e.startsWith("PATH=")),
    ["X=env"],
  );
});

test("ENTRYPOINT forgets an inherited CMD, but not one of the same stage", async () => {
  const inherited = { cmd: ["old"] };
  const forgot = await plan('FROM a\nENTRYPOINT ["e"]\n', { config: inherited });
  assert.equal(forgot.vertices.at(-1)?.config.cmd, undefined);
  const kept = await plan('FROM a\nCMD ["c"]\nENTRYPOINT ["e"]\n', { config: inherited });
  assert.deepEqual(kept.vertices.at(-1)?.config.cmd, ["c"]);
});

test("WORKDIR adds up and is cleaned, SHELL changes shell forms", async () => {
  const { vertices } = await plan(
    'FROM a\nWORKDIR /a//b/\nWORKDIR ../c\nSHELL ["/bin/bash", "-ec"]\nRUN x\nCMD y\nRUN ["z"]\n',
  );
  assert.equal(vertices.at(-1)?.config.workingDir, "/a/c");
  const runs = vertices.flatMap((v) => (v.op.kind === "run" ? [v.op.args] : []));
  assert.deepEqual(runs, [["/bin/bash", "-ec", "x"], ["z"]]);
  assert.deepEqual(vertices.at(-1)?.config.cmd, ["/bin/bash", "-ec", "y"]);
});

test("with BuildKit a stage has the arguments of the stage that it is built on", async () => {
  const dockerfile = `ARG G=global
FROM a AS one
ARG A=1
ENV E=env
ARG E=hides
ARG G=own
FROM one AS two
ARG A
ARG G
ENV B=$A C=$E D=$G
FROM two
RUN x
FROM a
COPY --from=2 / /
ENV N=[$A]
`;
  const env = async (dialect: Dialect, target: string, buildArgs = {}) => {
    const { vertices } = await plan(dockerfile, { dialect, target, buildArgs });
    return vertices.at(-1)?.config.env?.filter((entry) => /^[BCDN]=/.test(entry));
  };
  assert.deepEqual(await env("buildkit", "two"), ["B=1", "C=hides", "D=global"]);
  assert.deepEqual(await env("buildkit", "two", { A: "given" }), ["B=given", "C=hides", "D=global"]);
  assert.deepEqual(await env("classic", "two"), ["B=", "C=env", "D=global"]);
  // The stages above have them, others do not.
  assert.deepEqual(await env("buildkit", "3"), ["N=[]"]);
  const { vertices } = await plan(dockerfile, { dialect: "buildkit", target: "2" });
  const run = vertices.flatMap((v) => (v.op.kind === "run" ? [v.op] : []))[0];
  assert.ok(run?.env.includes("A=1"));
  assert.match(run?.createdBy ?? "", /^RUN \|3 A=1 E=hides G=global /);
});

test("destinations are absolute and say whether they are directories", async () => {
  const { vertices } = await plan(
    "FROM a\nWORKDIR /w\nCOPY x .\nCOPY x ./\nCOPY x y/../z\nCOPY x /\nCOPY x /q/.\nCOPY a b .\n",
  );
  const targets = vertices.flatMap((v) => (v.op.kind === "copy" ? [v.op.destination] : []));
  assert.deepEqual(targets, ["/w/", "/w/", "/w/z", "/", "/q", "/w/"]);
});

test("a mistake in an instruction is reported with its line", async () => {
  await assert.rejects(plan("FROM a\n\nENV x=${y\n"), { detail: { line: 3, endLine: 3 } });
  await assert.rejects(plan("FROM a\nSTOPSIGNAL NOPE\n"), { message: "Invalid signal: NOPE" });
  await assert.rejects(plan("FROM $X\n"), { message: "base name ($X) should not be blank" });
  await assert.rejects(plan("FROM --platform=bad/x/y/z a\n"), /failed to parse platform bad\/x\/y\/z/);
});

test("exposed ports: protocols, ranges, published forms", () => {
  assert.deepEqual(parseExposedPorts(["80", "53/UDP", "9-11/sctp", "127.0.0.1:8080:81"]), [
    "80/tcp",
    "53/udp",
    "9/sctp",
    "10/sctp",
    "11/sctp",
    "81/tcp",
  ]);
  for (const bad of ["x", "70000", "5-3", "1-2-3", "80/quic", "", "80:"]) {
    assert.throws(() => parseExposedPorts([bad]), { code: "dockerfile.port" }, bad);
  }
});

test("signals: names with and without SIG, numbers, real-time ones", () => {
  for (const good of ["SIGTERM", "term", "9", "RTMIN+3", "SIGRTMAX-1"]) checkSignal(good);
  for (const bad of ["", "0", "SIGFOO", "RTMIN+99", "-1"])
    assert.throws(() => checkSignal(bad), /^Fault: Invalid signal/);
});
