// What a command of Compose works with: the program's session, the options in front of the command, and the project that
// they lead to.

import type { Client } from "../../../api/client.ts";
import type { LoadOptions } from "../../../compose/load/load.ts";
import type { Project } from "../../../compose/model/project.ts";
import { printError } from "../../output.ts";
import { Session } from "../../session.ts";
import type { ComposeFlags } from "./flags.ts";

export class ComposeSession {
  readonly session: Session;
  readonly flags: ComposeFlags;
  isDryRun: boolean;
  readonly #started = Date.now();
  readonly #isTty: boolean = process.stderr.isTTY;

  constructor(session: Session, flags: ComposeFlags, given: ReadonlySet<string>) {
    const { host, context } = flags;
    const isElsewhere = given.has("host") || given.has("context");
    this.session = isElsewhere
      ? new Session(session.program, { ...session.globals, host, context }, given)
      : session;
    this.flags = flags;
    this.isDryRun = flags["dry-run"];
  }

  /** The client of the daemon, with the API version agreed upon. */
  async client(): Promise<Client> {
    await this.session.apiVersion();
    return this.session.client();
  }

  /** Throws Docker's complaint when the daemon is too old for what is asked. */
  requireApi(version: string, what: string): Promise<void> {
    return this.session.requireApi(version, what);
  }

  /** Says something that does not stop the command, in the form of Docker's tools. */
  readonly warn = (message: string): void => {
    if (this.#isTty) {
      const seconds = Math.floor((Date.now() - this.#started) / 1000);
      printError(`\x1b[33mWARN\x1b[0m[${String(seconds).padStart(4, "0")}] ${message} \n`);
      return;
    }
    const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    printError(`time=${JSON.stringify(time)} level=warning msg=${JSON.stringify(message)}\n`);
  };

  /** How the project is to be loaded, by the options in front of the command. */
  loadOptions(services: readonly string[] = []): LoadOptions {
    const { flags } = this;
    const envFiles = flags["env-file"];
    return {
      files: flags.file,
      envFiles:
        envFiles.length > 0 ? envFiles : (process.env["COMPOSE_ENV_FILES"] ?? "").split(",").filter(Boolean),
      projectDirectory: flags["project-directory"] || flags.workdir,
      name: flags["project-name"],
      profiles: flags.profile,
      services,
      processEnvironment: process.env,
      warn: this.warn,
    };
  }

  /** Loads the project with everything its services need; `services` are those named on the command line. */
  async project(services: readonly string[] = []): Promise<Project> {
    const [{ loadProject }, { withEnvironment, withLabels }] = await Promise.all([
      import("../../../compose/load/load.ts"),
      import("../../../compose/model/resolve.ts"),
    ]);
    return withEnvironment(withLabels(loadProject(this.loadOptions(services))));
  }
}
