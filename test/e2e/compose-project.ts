// A Compose project of a test: its directory, its files, and `compose` run in it against a daemon.
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { CommandOptions, Live, Outcome } from "./command.ts";
import { clients, type TestDaemon } from "./harness.ts";

const [berth] = clients;
assert.ok(berth);

export class ComposeProject {
  readonly #daemon: TestDaemon;
  readonly name: string;
  readonly directory: string;

  constructor(daemon: TestDaemon, name: string, files: Readonly<Record<string, string>>) {
    this.#daemon = daemon;
    this.name = name;
    this.directory = daemon.path("projects", name);
    for (const [path, text] of Object.entries(files)) this.write(path, text);
  }

  /** Writes a file of the project. */
  write(path: string, text: string): void {
    const file = join(this.directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  #options(options: CommandOptions): CommandOptions {
    return { cwd: this.directory, ...options, env: { PWD: this.directory, ...options.env } };
  }

  /** Runs `compose` to its end, whatever its status. */
  run(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return this.#daemon.run(berth as (typeof clients)[number], ["compose", ...args], this.#options(options));
  }

  /** Runs `compose`, which has to succeed; returns what it printed to stdout. */
  async compose(...args: string[]): Promise<string> {
    const outcome = await this.run(args);
    assert.equal(outcome.status, 0, `compose ${args.join(" ")}: ${outcome.stdout}${outcome.stderr}`);
    return outcome.stdout.trimEnd();
  }

  /** Starts `compose` and leaves it running. */
  live(args: readonly string[], options: CommandOptions = {}): Live {
    return this.#daemon.live(berth as (typeof clients)[number], ["compose", ...args], this.#options(options));
  }

  /** The ids of the containers by name, those that do not run included. */
  async ids(): Promise<Record<string, string>> {
    const lines = (await this.compose("ps", "-a", "--format", "{{.Name}} {{.ID}}"))
      .split("\n")
      .filter(Boolean);
    return Object.fromEntries(lines.map((line) => line.split(" ") as [string, string]));
  }

  /** Takes the project down and its files away. */
  async remove(): Promise<void> {
    const { status, stderr } = await this.run(["-p", this.name, "down", "-v", "-t", "0", "--remove-orphans"]);
    assert.equal(status, 0, stderr);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
