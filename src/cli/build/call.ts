// `build --call`: what is asked of a Dockerfile instead of a build, and how the answer is printed.

import { parseCsv } from "../../lib/flags/spec.ts";
import { table } from "../../lib/table.ts";
import { complain } from "../failure.ts";
import { type DescribedChecks, describeChecks } from "./check.ts";
import type { BuildFlags } from "./flags.ts";

/** A request to the frontend. */
export interface Call {
  readonly request: string;
  readonly isJson: boolean;
  readonly ignoresStatus: boolean;
}

const REQUESTS: Readonly<Record<string, string>> = table({
  check: "frontend.lint",
  lint: "frontend.lint",
  outline: "frontend.outline",
  targets: "frontend.targets",
  "subrequests.describe": "frontend.subrequests.describe",
});

/** Reads `--call METHOD[,format=json][,ignorestatus]` and `--check`; undefined for a build. Throws a Fault for what is not known. */
export function callOf({ call, check }: Pick<BuildFlags, "call" | "check">): Call | undefined {
  const [method = "", ...options] = parseCsv(check ? "check" : call);
  if (method === "" || method === "build") return undefined;
  const request = REQUESTS[method];
  if (request === undefined)
    throw complain(
      `--call ${method} is not known: want build, check, outline, targets or subrequests.describe`,
    );
  let isJson = false;
  let ignoresStatus = false;
  for (const option of options) {
    if (option === "ignorestatus" || option === "ignorestatus=true") ignoresStatus = true;
    else if (option === "format=json" || option === "format=text") isJson = option === "format=json";
    else throw complain(`invalid option ${option} of --call: want format=json or ignorestatus`);
  }
  return { request, isJson, ignoresStatus };
}

/** Returns what is printed of an answer, and the exit code. */
export function answerOf(
  { request, isJson, ignoresStatus }: Call,
  answer: Readonly<Record<string, string>>,
): DescribedChecks {
  const { "result.json": json = "{}", "result.txt": plain = "" } = answer;
  const isCheck = request === REQUESTS["check"];
  const described: DescribedChecks = isCheck ? describeChecks(json) : { text: plain, exitCode: 0 };
  const exitCode = ignoresStatus && described.error === undefined ? 0 : described.exitCode;
  return { ...described, text: isJson ? `${json}\n` : described.text, exitCode };
}
