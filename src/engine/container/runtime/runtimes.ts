// The OCI runtimes that containers may ask for by name. Berth's own makes containers that ask for none; a name that is said is taken at
// its word: what daemon.json calls so, else the program of that name, else a path.
//
//   ""                     the daemon's default, which is our own unless it is configured
//   berth, io.containerd…  our own
//   runc, crun             the program, where the host has it; without runc its name means our own, as Docker's clients say it everywhere
//   /path                  that program
import { isAbsolute } from "node:path";
import { Fault } from "../../../lib/errors.ts";

/** An external runtime: its name and how it is called. */
export interface ExternalRuntime {
  readonly name: string;
  /** The program (a path, or a name that was not found) and its arguments. */
  readonly command: readonly string[];
}

/** A runtime of daemon.json or `--add-runtime`. */
export interface ConfiguredRuntime {
  readonly path: string;
  readonly runtimeArgs?: readonly string[];
  readonly runtimeType?: string;
  readonly options?: Record<string, unknown>;
}

export interface RuntimeSettings {
  readonly configured: Readonly<Record<string, ConfiguredRuntime>>;
  /** "" for our own. */
  readonly defaultName: string;
  /** Our own, by its command line. */
  readonly ownCommand: readonly string[];
  /** Returns the path of a program of PATH, undefined when there is none. */
  readonly find: (program: string) => string | undefined;
}

/** compat: Docker's name of whatever makes containers that ask for nothing. */
const STOCK_NAME = "runc";
const OWN_NAME = "berth";
const OWN_NAMES = [OWN_NAME, "io.containerd.runc.v2"];
/** Programs that are known by name without being configured. */
const KNOWN_PROGRAMS = ["runc", "crun"];
/** What `info` shows in the place of a path for our own. */
const OWN_PATH = "keel";

export class Runtimes {
  readonly #settings: RuntimeSettings;

  constructor(settings: RuntimeSettings) {
    this.#settings = settings;
  }

  /** What containers get that ask for none, as it is shown. */
  get defaultName(): string {
    return this.#settings.defaultName || STOCK_NAME;
  }

  /** Our own as an external one, for what it does by its command line: containers that come from a checkpoint. */
  get own(): ExternalRuntime {
    return { name: OWN_NAME, command: this.#settings.ownCommand };
  }

  /** Returns the runtime of a name, null for our own. Throws Fault invalidParameter for a name that means nothing here. */
  choose(wish: string | null | undefined): ExternalRuntime | null {
    const name = wish || this.#settings.defaultName;
    if (name === "" || OWN_NAMES.includes(name)) return null;
    const command = this.#commandOf(name);
    if (command !== undefined) return { name, command };
    if (name === STOCK_NAME) return null;
    throw new Fault("invalidParameter", `unknown or invalid runtime name: ${name}`, {
      code: "container.unknown-runtime",
    });
  }

  #commandOf(name: string): readonly string[] | undefined {
    const configured = Object.hasOwn(this.#settings.configured, name)
      ? this.#settings.configured[name]
      : undefined;
    if (configured !== undefined) return [this.#located(configured.path), ...(configured.runtimeArgs ?? [])];
    if (isAbsolute(name)) return [name];
    const program = KNOWN_PROGRAMS.includes(name) ? this.#settings.find(name) : undefined;
    return program === undefined ? undefined : [program];
  }

  /** A name without a slash is looked up as a shell would. */
  #located(path: string): string {
    return path.includes("/") ? path : (this.#settings.find(path) ?? path);
  }

  /** Returns all that can be asked for by name, as `info` shows it. */
  get all(): Record<string, Omit<ConfiguredRuntime, "runtimeArgs"> & { runtimeArgs?: string[] }> {
    const found = KNOWN_PROGRAMS.flatMap((name) => {
      const path = this.#settings.find(name);
      return path === undefined ? [] : [[name, { path }] as const];
    });
    const own = [STOCK_NAME, ...OWN_NAMES].map((name) => [name, { path: OWN_PATH }] as const);
    const configured = Object.entries(this.#settings.configured).map(
      ([name, { runtimeArgs, ...r }]) =>
        [name, { ...r, ...(runtimeArgs === undefined ? {} : { runtimeArgs: [...runtimeArgs] }) }] as const,
    );
    const entries = new Map([...own, ...found, ...configured]);
    return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
