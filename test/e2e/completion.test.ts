// What the shells offer: commands, flags and names out of the daemon.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

const berth = clients.find((client) => client.name === "berth") as Client;
let daemon: TestDaemon;

before(async () => {
  daemon = await TestDaemon.start();
  const make = async (...args: string[]) =>
    assert.equal((await daemon.run(berth, args)).status, 0, args.join(" "));
  await make("create", "--name", "resting", "busybox", "true");
  await make("run", "-d", "--name", "working", "busybox", "sleep", "1000");
  await make("volume", "create", "jug");
  await make("network", "create", "mesh");
});
after(() => daemon.close());

/** Candidates without their descriptions. */
async function offered(...words: string[]): Promise<string[]> {
  const { stdout } = await daemon.run(berth, ["__complete", ...words]);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines.pop() ?? "", /^:[04]$/);
  return lines.map((line) => line.split("\t", 1)[0] ?? "");
}

const CASES: readonly (readonly [words: string, expected: readonly string[]])[] = [
  ["volume in", ["inspect"]],
  ["start ", ["resting"]],
  ["stop ", ["working"]],
  ["rm ", ["working", "resting"]],
  ["rm working ", ["resting"]],
  ["logs w", ["working"]],
  ["logs working ", []],
  ["cp work", ["working:"]],
  ["volume rm ", ["jug"]],
  ["volume create ", []],
  ["network inspect m", ["mesh"]],
  ["network connect mesh r", ["resting"]],
  ["run --network m", ["mesh"]],
  ["run --network=m", ["--network=mesh"]],
  ["run bus", ["busybox", "busybox:latest"]],
  ["run --restart=un", ["--restart=unless-stopped"]],
  ["run --memory-s", ["--memory-swap", "--memory-swappiness"]],
  ["run busybox --memory-s", []],
  ["inspect j", ["jug"]],
  ["-D volu", ["volume"]],
  ["--log-level w", ["warn"]],
  ["completion f", ["fish"]],
  ["nothing ", []],
  ["compose unp", ["unpause"]],
  ["compose --project-n", ["--project-name"]],
  ["compose up --remove", ["--remove-orphans"]],
  ["compose -p working up ", []],
];

for (const [words, expected] of CASES)
  test(`berth ${words}<tab>`, async () => {
    assert.deepEqual(await offered(...words.split(" ")), expected);
  });

test("without a daemon there are commands and flags, and no complaint", async () => {
  const outcome = await run([...berth.argv, "-H", "unix:///none", "__complete", "stop", ""]);
  assert.equal(outcome.status, 1, "global options do not stand before __complete");
  const asked = await run([...berth.argv, "__complete", "-H", "unix:///none", "stop", ""]);
  assert.deepEqual([asked.status, asked.stdout, asked.stderr], [0, ":4\n", ""]);
});

describe("scripts", () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "berth-completion-"));
    await symlink(berth.argv[0] ?? "", join(dir, "berth"));
  });
  after(() => rm(dir, { recursive: true }));

  const inShell = (shell: string, args: readonly string[]): string =>
    execFileSync(shell, args, {
      encoding: "utf8",
      env: { PATH: `${dir}:${process.env["PATH"]}`, DOCKER_HOST: `unix://${daemon.socket}`, HOME: dir },
    });

  test("bash", () => {
    const script = `source <(berth completion bash)
      COMP_WORDS=(berth stop wor) COMP_CWORD=2; _berth; echo "\${COMPREPLY[@]}"
      COMP_WORDS=(berth container sta) COMP_CWORD=2; _berth; echo "\${COMPREPLY[@]}"`;
    assert.equal(inShell("bash", ["--norc", "-c", script]), "working\nstart stats\n");
  });

  for (const shell of ["zsh", "fish"] as const)
    test(shell, async () => {
      const script = (await daemon.run(berth, ["completion", shell])).stdout;
      assert.match(script, shell === "zsh" ? /^#compdef berth\n/ : /complete -c berth -f/);
      const where = (process.env["PATH"] ?? "").split(":").find((entry) => existsSync(join(entry, shell)));
      if (where === undefined)
        return console.log(`${shell} is not installed: its script was only printed, not run`);
      if (shell === "fish") {
        const offer = inShell(shell, [
          "--no-config",
          "-c",
          "berth completion fish | source; complete -C 'berth stop wor'",
        ]);
        assert.equal(offer, "working\n");
      } else
        inShell(shell, ["-f", "-c", "autoload -Uz compinit; compinit -D; source <(berth completion zsh)"]);
    });
});

test("commands of compose are offered the services of the file", async () => {
  const directory = await mkdtemp(join(tmpdir(), "berth-complete-"));
  try {
    const file = join(directory, "compose.yaml");
    await writeFile(file, "services: {web: {image: i}, db: {image: i, profiles: [x]}}");
    assert.deepEqual(await offered("compose", "-f", file, "up", ""), ["web", "db"]);
    assert.deepEqual(await offered("compose", "-f", file, "stop", "db", ""), ["web"]);
    assert.deepEqual(await offered("compose", "-f", file, "exec", "w"), ["web"]);
    assert.deepEqual(await offered("compose", "-f", file, "scale", "w"), ["web="]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
