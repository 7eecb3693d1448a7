import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerfile } from "../dockerfile/parse.ts";
import { groupStages } from "../dockerfile/stages.ts";
import { stepTitle } from "./step-title.ts";

/** Titles of what has a line of its own, in a stage where A is 1. */
function titles(...lines: string[]): string[] {
  const { stages, escape } = groupStages(parseDockerfile(["FROM x", ...lines, ""].join("\n")), {
    isBuildkit: true,
  });
  const scope = { escape, lookup: (name: string) => (name === "A" ? "1" : undefined) };
  return (stages[0]?.instructions ?? []).flatMap((instruction) => stepTitle(instruction, scope) ?? []);
}

test("titles have values for variables; a command keeps its quotes and what is the shell's", () => {
  assert.deepEqual(titles("run echo \"$A\" $B '$A'", 'COPY x"$A" /$B/', "WORKDIR /w$A", "ENV X=$A"), [
    "RUN echo \"1\" $B '$A'",
    "COPY x1 //",
    "WORKDIR /w1",
  ]);
  assert.deepEqual(titles("RUN echo ${A%%"), ["RUN echo ${A%%"]);
});

test("a script is called by its first line, a command that reads here-documents by itself", () => {
  assert.deepEqual(
    titles("RUN <<EOF", "", "echo $A", "echo two", "EOF", "RUN <<-ONE", "\techo one", "\tONE"),
    ["RUN <<EOF (echo 1...)", "RUN <<-ONE (echo one)"],
  );
  assert.deepEqual(titles("RUN cat <<EOF", "text", "EOF"), ["RUN cat <<EOF"]);
});
