// `compose watch`: brings the services up and then watches the files that they name.

import type { Work } from "../../../../compose/execute/work.ts";
import type { Project } from "../../../../compose/model/project.ts";
import { bool } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { print } from "../../../output.ts";
import { creationDefaults, creationOptions, selectedProject } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";
import { onInterrupt } from "../interrupt.ts";

export const command = defineComposeCommand({
  operands: "[SERVICE...]",
  arity: anyArgs,
  flags: {
    "no-up": bool("Do not build & start services before watching"),
    prune: bool("Prune dangling images on rebuild", { initial: true }),
    quiet: bool("hide build output"),
  },
  async run(compose, { flags, args }) {
    const project = await selectedProject(compose, args, "dependencies");
    const { createProject } = await import("../../../../compose/execute/create.ts");
    const { startProject } = await import("../../../../compose/execute/start.ts");
    const work = await compose.work({ isAttached: true });
    if (!flags["no-up"]) {
      const options = creationOptions(
        { ...creationDefaults, build: true, "quiet-build": flags.quiet },
        args,
        undefined,
      );
      await compose.during(work, "up", async () => {
        const containers = await createProject(work, project, options);
        await startProject(work, project, { containers, waits: false, waitSeconds: 0 });
      });
    }
    const say = (message: string): void => print(`${message}\n`);
    const abort = new AbortController();
    const unsubscribe = onInterrupt(() => abort.abort());
    try {
      await watchFiles({ work, project, services: args, signal: abort.signal, isQuiet: flags.quiet, say });
    } finally {
      unsubscribe();
    }
    return 130;
  },
});

export interface WatchFilesOptions {
  readonly work: Work;
  readonly project: Project;
  readonly services: readonly string[];
  readonly signal: AbortSignal;
  readonly isQuiet: boolean;
  /** Tells the user what is done. */
  readonly say: (message: string) => void;
}

/** Watches until the signal; services are rebuilt as `up --build` does it. */
export async function watchFiles({
  work,
  project,
  services,
  signal,
  isQuiet,
  say,
}: WatchFilesOptions): Promise<void> {
  const { watchProject } = await import("../../../../compose/watch/watch.ts");
  const { createProject } = await import("../../../../compose/execute/create.ts");
  const { startProject } = await import("../../../../compose/execute/start.ts");
  const { withSelected } = await import("../../../../compose/model/select.ts");
  await watchProject(work, project, {
    services,
    signal,
    say,
    rebuild: async (names) => {
      const selected = withSelected(project, names, "none");
      const options = creationOptions(
        { ...creationDefaults, build: true, "quiet-build": isQuiet },
        names,
        undefined,
      );
      const containers = await createProject(work, selected, { ...options, ignoresOrphans: true });
      await startProject(work, selected, { containers, waits: false, waitSeconds: 0 });
    },
  });
}
