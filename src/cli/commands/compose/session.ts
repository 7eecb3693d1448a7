// What a command of Compose works with: the program's session, the options in front of the command, and the project that
// they lead to.

import type { Client } from "../../../api/client.ts";
import type { ArtifactRegistry } from "../../../compose/load/artifact.ts";
import type { Work } from "../../../compose/execute/work.ts";
import type { LoadOptions } from "../../../compose/load/load.ts";
import type { Project } from "../../../compose/model/project.ts";
import { Fault } from "../../../lib/errors.ts";
import type { ObservedContainer } from "../../../compose/observe/observe.ts";
import { complain } from "../../failure.ts";
import { print, printError } from "../../output.ts";
import { Session } from "../../session.ts";
import type { ComposeFlags } from "./flags.ts";
import { COMPOSE_VERSION } from "./plugin.ts";
import type { ComposeRegistries } from "./registries.ts";

export class ComposeSession {
  readonly session: Session;
  readonly flags: ComposeFlags;
  isDryRun: boolean;
  /** Runs what writes to the terminal; whoever draws there meanwhile takes its part away and puts it back. */
  around: (write: () => void) => void = (write) => write();
  readonly #started = Date.now();
  readonly #isTty: boolean = process.stderr.isTTY === true;

  constructor(session: Session, flags: ComposeFlags, given: ReadonlySet<string>) {
    const { host, context } = flags;
    const isElsewhere = given.has("host") || given.has("context");
    this.session = isElsewhere
      ? new Session(session.program, { ...session.globals, host, context }, given)
      : session;
    this.flags = flags;
    this.isDryRun = flags["dry-run"];
  }

  /** Registries, for Compose files that lie there; the code for them is loaded by who needs it. */
  readonly artifacts: ArtifactRegistry = {
    manifest: async (reference) => (await this.registries()).manifest(reference),
    blob: async (reference, descriptor) => (await this.registries()).blob(reference, descriptor),
  };

  /** The registries as the user sees them; `insecure` are spoken with over http, too. */
  async registries(insecure = this.flags["insecure-registry"]): Promise<ComposeRegistries> {
    const { ComposeRegistries } = await import("./registries.ts");
    return new ComposeRegistries(this.session, insecure);
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
      separator: flags.compatibility || process.env["COMPOSE_COMPATIBILITY"] === "true" ? "_" : "-",
      processEnvironment: process.env,
      warn: this.warn,
      artifacts: this.artifacts,
    };
  }

  /** compat: what .env says of the program's own options (COMPOSE_REMOVE_ORPHANS and others) counts as if the process had it. */
  async takeOptionVariables(): Promise<void> {
    const { optionVariables } = await import("../../../compose/load/project-files.ts");
    for (const [name, value] of optionVariables(this.loadOptions())) process.env[name] ??= value;
  }

  /** Loads the project with everything its services need; `services` are those named on the command line. */
  async project(services: readonly string[] = []): Promise<Project> {
    const [{ loadProject }, { withEnvironment, withLabels }, { withSelected, withoutUnused }] =
      await Promise.all([
        import("../../../compose/load/load.ts"),
        import("../../../compose/model/resolve.ts"),
        import("../../../compose/model/select.ts"),
      ]);
    const loaded = withLabels(await loadProject(this.loadOptions(services)));
    const needed = withSelected(loaded, services, "dependencies").services;
    const project = withEnvironment(loaded, (name) => Object.hasOwn(needed, name));
    return this.flags["all-resources"] ? project : withoutUnused(project);
  }

  /** Returns the services' names, for completion; of the daemon only where no file tells them. */
  async serviceNames(): Promise<string[]> {
    const { flags } = this;
    if (flags["project-name"] !== "" && flags.file.length === 0)
      return Object.keys((await this.target()).project.services);
    const { loadProject } = await import("../../../compose/load/load.ts");
    const options = { ...this.loadOptions(), profiles: ["*"], warn: () => {} };
    return Object.keys((await loadProject(options)).services);
  }

  /**
   * Returns the project that is meant and its containers. With a name alone no files are needed: the containers tell what
   * services there are. Throws a Fault for a named service that there is not.
   */
  async target(services: readonly string[] = []): Promise<Target> {
    const { flags } = this;
    const name = flags["project-name"] || (process.env["COMPOSE_PROJECT_NAME"] ?? "");
    const isNameOnly = flags["project-name"] !== "" && flags.file.length === 0;
    const { observeContainers } = await import("../../../compose/observe/observe.ts");
    const { noSuchService } = await import("../../../compose/model/select.ts");
    const client = await this.client();
    if (!isNameOnly) {
      const { loadProject } = await import("../../../compose/load/load.ts");
      const project = await loadProject(this.loadOptions(services)).catch((error: unknown) => {
        // compat: without files the name of the environment is as good as -p.
        if (name !== "" && error instanceof Fault && error.code === "compose.no-file") return undefined;
        throw error;
      });
      for (const service of services)
        if (project !== undefined && !Object.hasOwn(project.services, service))
          throw noSuchService(project, service);
      if (project !== undefined)
        return { project, containers: await observeContainers(client, project.name), isDerived: false };
    }
    const [{ deriveProject }, { invalidName, normalizeName }] = await Promise.all([
      import("../../../compose/observe/derive.ts"),
      import("../../../compose/load/project-name.ts"),
    ]);
    if (normalizeName(name) !== name) throw invalidName(name);
    const containers = await observeContainers(client, name);
    const project = deriveProject(name, containers);
    for (const service of services)
      if (!Object.hasOwn(project.services, service)) throw noSuchService(project, service);
    return { project, containers, isDerived: true };
  }

  /** Returns what acting on the daemon needs. `isAttached`: containers' output follows the progress. */
  async work({ isAttached = false }: { readonly isAttached?: boolean } = {}): Promise<Work> {
    const [{ Limiter }, { progressPrinter }, { composePorts }, { compareVersions }] = await Promise.all([
      import("../../../compose/execute/work.ts"),
      import("../../../compose/progress/printers.ts"),
      import("./ports.ts"),
      import("../../config/endpoint.ts"),
    ]);
    const { flags } = this;
    const progress = progressPrinter({
      mode: flags.progress,
      ansi: this.ansi,
      isTerminal: this.#isTty,
      isDryRun: this.isDryRun,
      isAttached,
      size: terminalSize,
      write: (text) => this.around(() => printError(text)),
    });
    if (progress === undefined)
      throw complain(`unsupported --progress value ${JSON.stringify(flags.progress)}`);
    const isQuiet = flags.progress === "quiet" || flags.progress === "none";
    const client = await this.client();
    const version = await this.session.apiVersion();
    const { dryRunClient } = await import("../../../compose/execute/dry-run.ts");
    return {
      client: this.isDryRun ? dryRunClient(client) : client,
      isOldApi: version !== undefined && compareVersions(version, "1.44") < 0,
      progress,
      warn: this.warn,
      ports: composePorts(this.session, await this.session.config(), client),
      write: isQuiet ? () => {} : (text) => this.around(() => progress.aside(() => print(text))),
      limit: new Limiter(Number(process.env["COMPOSE_PARALLEL_LIMIT"] ?? 0) || flags.parallel),
      version: COMPOSE_VERSION,
      isDryRun: this.isDryRun,
    };
  }

  /** never, always or auto. */
  get ansi(): string {
    const { ansi } = this.flags;
    if (!["never", "always", "auto"].includes(ansi))
      throw complain(`unsupported --ansi value ${JSON.stringify(ansi)}`);
    return this.flags["no-ansi"] ? "never" : ansi;
  }

  /** Tells whether output on stdout is coloured. */
  get hasColor(): boolean {
    const { ansi } = this;
    return ansi === "always" || (ansi === "auto" && process.stdout.isTTY === true);
  }

  /** Shows progress while the action runs. */
  async during<T>(work: Work, operation: string, action: () => Promise<T>): Promise<T> {
    work.progress.start(operation);
    try {
      return await action();
    } finally {
      work.progress.done();
    }
  }
}

/** What a command is about. */
export interface Target {
  readonly project: Project;
  readonly containers: readonly ObservedContainer[];
  /** The project is known from its containers only. */
  readonly isDerived: boolean;
}

function terminalSize(): { columns: number; rows: number } {
  // Both are undefined where stderr is no terminal.
  return { columns: process.stderr.columns || 80, rows: process.stderr.rows || 24 };
}
