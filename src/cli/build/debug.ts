// `build --debug`: when a step has failed, a shell in a container with the files, variables, directory and user that the step found.
// What the step would have mounted (secrets, caches, the context) is not there.

import { imageDelete } from "../../api/operations/image.ts";
import { stateOf } from "../../lib/build-protocol/source.ts";
import type { Fault } from "../../lib/errors.ts";
import { printError } from "../output.ts";
import { runVerb } from "../run-verb.ts";
import type { Session } from "../session.ts";
import { isTerminal } from "../terminal/tty.ts";

interface State {
  readonly imageId: string;
  readonly isOwn: boolean;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: string;
}

/** The shell of a shell form command, which is known to be there. */
function shellOf([shell = "", flag = "", ...rest]: readonly string[]): string {
  return flag.startsWith("-") && rest.length === 1 ? shell : "/bin/sh";
}

function argvOf({ imageId, args, env, cwd, user, network }: State, isTty: boolean): string[] {
  return [
    ...["--rm", "-i", "--entrypoint", shellOf(args)],
    ...(isTty ? ["-t"] : []),
    ...(cwd === "" ? [] : ["-w", cwd]),
    ...(user === "" ? [] : ["-u", user]),
    ...(network === "default" ? [] : ["--network", network]),
    ...env.flatMap((entry) => ["-e", entry]),
    imageId,
  ];
}

/** Opens the shell that a build's failure tells of and waits for its end; only says so where there is none to open. */
export async function debugShell(session: Session, failure: Fault): Promise<void> {
  const state = stateOf(failure) as State | undefined;
  if (state === undefined || state.imageId === "") {
    printError("There is no state to open a shell in: nothing was made before the failure.\n");
    return;
  }
  printError(`${failure.message}\nA shell in the state before this step; leave it with "exit".\n`);
  const isTty = (await isTerminal(0)) && (await isTerminal(1));
  const load = () => import("../commands/container/run.ts");
  const run = { noun: "container", name: "run", summary: "", load };
  try {
    await runVerb(session, run, `${session.program} run`, argvOf(state, isTty));
  } finally {
    if (state.isOwn) {
      const client = await session.client();
      // ignored: an image that something else uses meanwhile stays
      await client
        .call(imageDelete, { name: state.imageId, force: false, noprune: true, platforms: [] })
        .catch(() => undefined);
    }
  }
}
