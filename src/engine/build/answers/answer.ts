// Requests to the Dockerfile frontend that are no builds: `docker buildx build --call`.
import type { BuildRequest } from "../../../build/request.ts";
import { Fault } from "../../../lib/errors.ts";
import { table } from "../../../lib/table.ts";
import type { BuildRunner } from "../runner.ts";
import { describeAnswer, outlineAnswer, targetsAnswer } from "./describe.ts";
import { lintAnswer } from "./lint.ts";

type Answer = Readonly<Record<string, string>>;
type Answerer = (runner: BuildRunner, request: BuildRequest, signal: AbortSignal) => Promise<Answer>;

const ANSWERERS: Readonly<Record<string, Answerer>> = table({
  "frontend.lint": async (runner, request, signal) => lintAnswer(await runner.check(request, signal)),
  "frontend.outline": async (runner, request, signal) =>
    outlineAnswer(await runner.describe(request, signal)),
  "frontend.targets": async (runner, request, signal) =>
    targetsAnswer(await runner.describe(request, signal)),
  "frontend.subrequests.describe": async () => describeAnswer(),
});

/** Returns the parts of the answer by their names. Throws Fault `build.request` for a request that is not known, and `dockerfile.*`. */
export async function answerTo(
  name: string,
  runner: BuildRunner,
  request: BuildRequest,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const answerer = ANSWERERS[name];
  if (answerer === undefined)
    throw new Fault("notImplemented", `request "${name}" is not supported`, { code: "build.request" });
  return { ...(await answerer(runner, request, signal)) };
}
