// What the workers and the killer share: the daemon that is killed and started again, who has been killed, and what was found to be wrong.
import { readFile } from "node:fs/promises";
import { isAlive, procStatus, type TestDaemon } from "../../e2e/harness.ts";
import { type Answer, Api } from "../api.ts";

export class World {
  readonly daemon: TestDaemon;
  api: Api;
  /** Counts the daemons; while one is being replaced nothing that fails counts. */
  #generation = 0;
  #isDisturbed = false;
  #back: Promise<void> = Promise.resolve();
  /** Names of containers that were killed, or whose shim was: they may end as they like. */
  readonly killed = new Set<string>();
  /** Containers that may be killed now. */
  readonly victims = new Set<string>();
  readonly failures: string[] = [];
  readonly counts = new Map<string, number>();
  isOver = false;

  constructor(daemon: TestDaemon) {
    this.daemon = daemon;
    this.api = new Api(daemon.socket, 64);
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  get isDisturbed(): boolean {
    return this.#isDisturbed;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Ends the daemon as `kill` does and starts another. */
  async replaceDaemon(kill: () => Promise<void>): Promise<void> {
    this.#isDisturbed = true;
    const back = Promise.withResolvers<void>();
    this.#back = back.promise;
    try {
      await kill();
      this.api.close();
      await this.daemon.up();
      this.api = new Api(this.daemon.socket, 64);
    } finally {
      this.#generation++;
      this.#isDisturbed = false;
      back.resolve();
    }
  }

  /** Sends a request; undefined when the daemon ended meanwhile, after the next one is there: nobody knows what came of it. */
  async ask(method: string, path: string, body?: unknown): Promise<Answer | undefined> {
    await this.#back;
    const before = this.#generation;
    const isUndisturbed = (): boolean => this.#generation === before && !this.#isDisturbed;
    try {
      const answer = await this.api.send(method, path, body);
      if (answer.status < 500 || isUndisturbed()) return answer;
    } catch (error) {
      if (isUndisturbed()) this.fail(`${method} ${path}: ${String(error)}`);
    }
    await this.#back;
    return undefined;
  }

  /** As ask, again and again until a daemon has answered. */
  async certainly(method: string, path: string, body?: unknown): Promise<Answer> {
    for (;;) {
      const answer = await this.ask(method, path, body);
      if (answer !== undefined) return answer;
    }
  }

  fail(what: string): void {
    this.failures.push(what);
  }

  /** Says so when the answer is another one than was to be expected of `name`. */
  expect(answer: Answer | undefined, statuses: readonly number[], what: string, name = ""): boolean {
    if (answer === undefined || this.killed.has(name)) return false;
    if (!statuses.includes(answer.status)) this.fail(`${what}: ${answer.status} ${answer.text.trim()}`);
    return statuses.includes(answer.status);
  }

  /** Kills a process when it is what it is taken for: numbers are given out again. */
  async killIf(pid: number, is: () => Promise<boolean>): Promise<boolean> {
    if (pid <= 1 || !(await isAlive(pid)) || !(await is().catch(() => false))) return false;
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      return false; // it ended while we looked
    }
    return true;
  }

  /** The process is in the container's cgroup. */
  async isOf(pid: number, id: string): Promise<boolean> {
    return (await readFile(`/proc/${pid}/cgroup`, "utf8")).includes(id);
  }

  /** The process is the shim whose child is the container's first process. */
  async isShimOf(pid: number, child: number, id: string): Promise<boolean> {
    const comm = (await readFile(`/proc/${pid}/comm`, "utf8")).trim();
    if (comm !== "keel-shim" || !(await this.isOf(child, id))) return false;
    return Number(await procStatus(child, "PPid")) === pid;
  }
}
