// `berth runtime create` is killed at each of its steps in turn, alone, with keel, or keel alone, in its own code and in the operations of the host and
// of the container. After each, `delete --force` leaves nothing on the host, and the same container can be made.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { Live, run } from "../e2e/command.ts";
import { type Change, RuntimeBed } from "../e2e/runtime-bed.ts";
import { hostSnapshot } from "../../tools/leaks.ts";
import { BERTH_PLACES, type KilledBuild, killedBuild, type Victim } from "./killed.ts";

/** `make security` takes every step, `make test` one in five: it has to be quick. */
const STRIDE = process.env["BERTH_EVERY_STEP"] === "1" ? 1 : 5;
const MOST_STEPS = 400;
const KILLED = 137;

let build: KilledBuild;
before(async () => {
  build = await killedBuild();
});
after(() => build[Symbol.asyncDispose]());

/** The runtime, its bundle, and a mount namespace in which both are: what is mounted there is seen, and goes with the test. */
class Bench implements AsyncDisposable {
  readonly id: string;
  readonly bed: RuntimeBed;
  readonly #holder: Live;
  /** Without rights over cgroups processes are found by nothing but their command lines. */
  readonly #isRootless: boolean;

  private constructor(bed: RuntimeBed, holder: Live, name: string, isRootless: boolean) {
    this.bed = bed;
    this.#holder = holder;
    this.#isRootless = isRootless;
    this.id = `killed-${process.pid}-${name}`;
  }

  static async open(name: string, change: Change = () => undefined, isRootless = false): Promise<Bench> {
    const script = `mount --make-rprivate /
while read -r _ _ _ _ at rest; do
  case ${isRootless}$rest in true*" - cgroup"*) mount -o remount,bind,ro "$at" ;; esac
done </proc/self/mountinfo
echo ready && exec cat >/dev/null`;
    const holder = new Live(["unshare", "--mount", "sh", "-ec", script], { timeoutMs: 1_200_000 });
    await holder.prints("ready");
    const bed = await RuntimeBed.open([
      ...["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`, "--"],
      ...build.program,
      "runtime",
    ]);
    await bed.configure(change);
    return new Bench(bed, holder, name, isRootless);
  }

  create(): ReturnType<RuntimeBed["detached"]> {
    const rootless = this.#isRootless ? ["--rootless", "true"] : [];
    return this.bed.detached([...rootless, "create", "--bundle", this.bed.bundle, this.id]);
  }

  async remove(): Promise<void> {
    const { status, stderr } = await this.bed.call(["delete", "--force", this.id]);
    assert.deepEqual([status, stderr], [0, ""]);
  }

  /** Everything of the container's that the host has. */
  async left(): Promise<string[]> {
    const { stdout } = await run(["nsenter", `--mount=/proc/${this.#holder.pid}/ns/mnt`, "mount"]);
    return [
      ...[...hostSnapshot()].filter((line) => line.includes(this.bed.dir) || line.includes(this.id)),
      ...this.bed.cgroupsOf(this.id),
      ...stdout.split("\n").filter((line) => line.includes(this.bed.dir)),
      ...(existsSync(this.bed.root) ? readdirSync(this.bed.root) : []),
    ];
  }

  /** Kills at every step; returns how many there are. */
  async killEach(victim: Victim, stride: number): Promise<number> {
    for (let step = 0; step < MOST_STEPS; step += stride) {
      await build.wish(victim, step);
      const { status, stderr } = await this.create();
      const what = `${victim} ${step}: ${stderr}`;
      const isOver = await build.takeBack();
      if (isOver) assert.equal(status, 0, what);
      else assert.equal(status, victim === "keel" ? 1 : KILLED, what);
      if (victim === "keel" && !isOver) assert.deepEqual(await this.left(), [], what); // berth has seen to it
      await this.remove();
      assert.deepEqual(await this.left(), [], what);
      if (isOver) return step;
    }
    return MOST_STEPS;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bed[Symbol.asyncDispose]();
    this.#holder.stdin.end();
    await this.#holder.ended;
  }
}

const withUserNamespace: Change = (spec) => {
  spec.linux.namespaces?.push({ type: "user" });
  spec.linux.uidMappings = spec.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
};

const withoutMountNamespace: Change = (spec) => {
  spec.linux.namespaces = (spec.linux.namespaces ?? []).filter(({ type }) => type !== "mount");
  spec.linux.maskedPaths = spec.linux.readonlyPaths = [];
};

const withoutLimits: Change = (spec) => {
  spec.linux.resources = {};
};

interface Way {
  change?: Change;
  isRootless?: boolean;
  /** Operations of the host and of the container that there are at least. */
  least: readonly [host: number, inside: number];
}

const WAYS: Readonly<Record<string, Way>> = {
  plain: { least: [3, 20] },
  "with a user namespace": { change: withUserNamespace, least: [3, 20] },
  "without a mount namespace": { change: withoutMountNamespace, least: [3, 10] },
  "without cgroups": { change: withoutLimits, isRootless: true, least: [0, 20] },
};

for (const [name, { change, isRootless, least }] of Object.entries(WAYS))
  test(`${name}: whenever a creation is killed, delete --force leaves nothing of it`, async () => {
    await using bench = await Bench.open(name.replaceAll(" ", "-"), change, isRootless);
    for (const victim of ["caller", "keel", "both", "inside"] as const) {
      const steps = await bench.killEach(victim, STRIDE);
      assert.ok(steps >= least[victim === "inside" ? 1 : 0], `${victim}: only ${steps} steps`);
    }
    assert.equal(await bench.killEach("berth", 1), BERTH_PLACES);
  });

test("an interrupted creation is no container; its id is taken until it is deleted", async () => {
  await using bench = await Bench.open("taken");
  const { bed, id } = bench;
  await build.wish("inside", 3);
  assert.equal((await bench.create()).status, KILLED);
  assert.match((await bed.call(["state", id])).stderr, /container does not exist/);
  assert.match((await bench.create()).stderr, /container with given ID already exists/);
  const plain = await bed.call(["delete", id]);
  assert.deepEqual([plain.status, /container does not exist/.test(plain.stderr)], [1, true]);
  assert.deepEqual(await bench.left(), []);
  const made = await bench.create();
  assert.equal(made.status, 0, made.stderr);
});
