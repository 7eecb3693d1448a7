// The load under which things are killed: each worker does one thing after the other, knows what it was promised, and says what did not come
// true. What failed because the daemon was killed is asked for again, or looked at: it has been done or not, and nothing in between.
import { clients } from "../../e2e/harness.ts";
import type { Random } from "../random.ts";
import type { World } from "./world.ts";

interface Worker {
  readonly world: World;
  readonly random: Random;
}

type Deed = (worker: Worker, name: string) => Promise<void>;

const CREATE = { StopSignal: "SIGKILL", Image: "busybox" };

/** Makes a container and returns whether it is certain that it is there. */
async function create(worker: Worker, name: string, body: object): Promise<boolean> {
  const { world } = worker;
  const answer = await world.ask("POST", `/containers/create?name=${name}`, { ...CREATE, ...body });
  if (answer !== undefined) return world.expect(answer, [201], `create ${name}`);
  const found = await world.certainly("GET", `/containers/${name}/json`);
  if (found.status === 404) return create(worker, name, body);
  return found.status === 200;
}

async function remove({ world }: Worker, name: string): Promise<void> {
  world.victims.delete(name);
  for (;;) {
    const answer = await world.certainly("DELETE", `/containers/${name}?force=1&v=1`);
    if (answer.status === 404) break;
    // A killed shim's container is being settled.
    if (answer.status === 409 && /removal .* in progress|being removed/.test(answer.text)) continue;
    if (!world.expect(answer, [204], `rm ${name}`)) break;
    const after = await world.ask("GET", `/containers/${name}/json`);
    if (after !== undefined && after.status !== 404) world.fail(`rm ${name}: it is there again`);
    break;
  }
  world.killed.delete(name);
}

/** Starts a container; an attempt that was cut off is made again. */
async function start({ world }: Worker, name: string): Promise<boolean> {
  for (;;) {
    const answer = await world.ask("POST", `/containers/${name}/start`);
    if (answer !== undefined) return world.expect(answer, [204, 304], `start ${name}`, name);
    const { text } = await world.certainly("GET", `/containers/${name}/json`);
    const { State } = JSON.parse(text) as { State?: { Status: string; StartedAt: string } };
    if (State === undefined) {
      world.fail(`start ${name}: it was created and is not there: ${text}`);
      return false;
    }
    if (State.Status !== "created") return true;
  }
}

/** A program that ends by itself: its exit code, its output. */
const runs: Deed = async (worker, name) => {
  const { world, random } = worker;
  const code = random.below(200);
  const script = `echo begin; sleep 0.${random.below(4)}; echo end; exit ${code}`;
  const network = random.of(["none", "bridge"]);
  const made = await create(worker, name, {
    Cmd: ["sh", "-c", script],
    HostConfig: { NetworkMode: network },
  });
  world.victims.add(name);
  if (made && (await start(worker, name))) {
    const waited = await world.certainly("POST", `/containers/${name}/wait`);
    const { StatusCode } = JSON.parse(waited.text) as { StatusCode?: number };
    const { text } = await world.certainly("GET", `/containers/${name}/json`);
    const { State } = JSON.parse(text) as { State?: { ExitCode: number; Status: string } };
    const logs = await world.certainly("GET", `/containers/${name}/logs?stdout=1`);
    if (!world.killed.has(name)) {
      if (StatusCode !== code || State?.ExitCode !== code)
        world.fail(`${name}: exit code ${StatusCode} and ${State?.ExitCode}, not ${code}: ${text}`);
      if (!/begin[^]*end/.test(logs.text)) world.fail(`${name}: its log is ${JSON.stringify(logs.text)}`);
    }
  }
  await remove(worker, name);
};

/** A service that is stopped, or paused, or asked to run something, and removed. */
const serves: Deed = async (worker, name) => {
  const { world, random } = worker;
  const HostConfig = { NetworkMode: "bridge", PortBindings: { "80/tcp": [{ HostPort: "0" }] } };
  const ExposedPorts = { "80/tcp": {} };
  const made = await create(worker, name, { Cmd: ["sleep", "1000"], HostConfig, ExposedPorts });
  if (made && (await start(worker, name))) {
    world.victims.add(name);
    const code = random.below(200);
    const exec = await world.ask("POST", `/containers/${name}/exec`, {
      AttachStdout: true,
      Cmd: ["sh", "-c", `exit ${code}`],
    });
    if (exec?.status === 201 && !world.killed.has(name)) {
      const { Id } = JSON.parse(exec.text) as { Id: string };
      const before = world.generation;
      await world.ask("POST", `/exec/${Id}/start`, { Detach: false });
      const { text } = await world.certainly("GET", `/exec/${Id}/json`);
      const { ExitCode } = JSON.parse(text) as { ExitCode?: number };
      if (before === world.generation && !world.isDisturbed && !world.killed.has(name) && ExitCode !== code)
        world.fail(`exec in ${name}: exit code ${ExitCode}, not ${code}`);
    }
    if (random.below(2) === 0) {
      const stop = await world.ask("POST", `/containers/${name}/stop`);
      world.expect(stop, [204, 304], `stop ${name}`, name);
    }
  }
  await remove(worker, name);
};

/** Networks and volumes, with a container between them. */
const connects: Deed = async (worker, name) => {
  const { world } = worker;
  const make = async (path: string, kind: string): Promise<void> => {
    const answer = await world.ask("POST", path, { Name: `${name}-${kind}` });
    if (answer !== undefined) world.expect(answer, [201], `create ${kind} ${name}`);
  };
  await make("/networks/create", "net");
  await make("/volumes/create", "vol");
  if (await create(worker, name, { Cmd: ["true"], HostConfig: { Binds: [`${name}-vol:/v`] } })) {
    const there = await world.certainly("GET", `/networks/${name}-net`);
    if (there.status === 404) await world.certainly("POST", "/networks/create", { Name: `${name}-net` });
    const joined = await world.ask("POST", `/networks/${name}-net/connect`, { Container: name });
    if (joined !== undefined && world.expect(joined, [200], `connect ${name}`)) {
      const { text } = await world.certainly("GET", `/containers/${name}/json`);
      if (!text.includes(`"${name}-net"`)) world.fail(`connect ${name}: its connection is gone`);
    }
  }
  await remove(worker, name);
  for (const path of [`/networks/${name}-net`, `/volumes/${name}-vol`])
    world.expect(await world.certainly("DELETE", path), [204, 404], `delete ${path}`);
};

/** Images get names, and lose them. */
const tags: Deed = async ({ world }, name) => {
  const tagged = await world.ask("POST", `/images/busybox/tag?repo=${name}&tag=1`);
  if (tagged !== undefined && world.expect(tagged, [201], `tag ${name}`)) {
    const found = await world.certainly("GET", `/images/${name}:1/json`);
    if (found.status !== 200) world.fail(`tag ${name}: it is gone`);
  }
  world.expect(await world.certainly("DELETE", `/images/${name}:1`), [200, 404], `untag ${name}`);
};

/** Looks at everything, as monitoring does. */
const looks: Deed = async ({ world }) => {
  for (const path of ["/containers/json?all=1", "/images/json", "/networks", "/volumes", "/info"])
    world.expect(await world.ask("GET", path), [200], `GET ${path}`);
};

/** The command line, which may be killed itself. */
const commands: Deed = async (worker, name) => {
  const { world, random } = worker;
  const [client] = clients;
  if (client === undefined) return;
  const code = random.below(100) + 1;
  const before = world.generation;
  const args = [
    "run",
    "--name",
    name,
    "busybox",
    "sh",
    "-c",
    `echo said; sleep 0.${random.below(4)}; exit ${code}`,
  ];
  const live = world.daemon.live(client, args, { timeoutMs: 120_000 });
  const isKilled = random.below(3) === 0;
  if (isKilled) {
    await Promise.race([live.prints("said", 120_000).catch(() => {}), live.ended]);
    live.kill("SIGKILL");
    world.count("client");
  }
  const { status, stdout, stderr } = await live.ended;
  const isUndisturbed = before === world.generation && !world.isDisturbed && !isKilled;
  if (isUndisturbed && (status !== code || stdout !== "said\n"))
    world.fail(`berth run: status ${status}, not ${code}: ${stdout}${stderr}`);
  await remove(worker, name);
};

const DEEDS: readonly Deed[] = [runs, runs, serves, serves, connects, tags, looks, commands];

/** Works until the world is over. */
export async function work(world: World, number: number, random: Random): Promise<void> {
  for (let i = 0; !world.isOver; i++) {
    const name = `w${number}-${i}`;
    try {
      await random.of(DEEDS)({ world, random }, name);
      world.count("deeds");
    } catch (error) {
      world.fail(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
}
