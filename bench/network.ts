// `make bench`: what a published port costs, beside Docker Engine in the same run. Requests per second to a server in a
// container, on its own address and through the port on the host's loopback, with connections that are kept and with a
// new one for each request; bytes per second of one stream between containers and through a published port; and how long a
// start takes when thousands of ports are published already, or with a long range of its own. The ways are taken in turn,
// round after round. ROUNDS=n sets their number (default 7), SECONDS=n the time of each (default 2).
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type Engine, startBerth, startDocker } from "./engines.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 7);
const SECONDS = Number(process.env["SECONDS"] ?? 2);
const PORT = 18080;
const STREAM_PORT = 15201;
/** Ports of one container, under the numbers that they have inside. */
const RANGE = { first: 30_000, count: 200 };
const CONNECTIONS = 16;
/** Ports that are there before a start, and containers that hold them. */
const CROWD = { ports: 2000, containers: 10 };

const ROOT = join(import.meta.dirname, "..");
const SERVER = `Bun.serve({ port: 80, hostname: "0.0.0.0", fetch: () => new Response("hello") })`;

const median = (values: number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;

/** Runs a program on the engine's host. */
function onHost(e: Engine, ...argv: string[]): string {
  const r = spawnSync("nsenter", [`--net=/proc/${e.daemonPid}/ns/net`, "--", ...argv], { encoding: "utf8" });
  if (r.status !== 0) throw new Error(`${e.name}: ${argv.join(" ")}: ${r.stderr}${r.stdout}`);
  return r.stdout;
}

/** Requests per second of one wrk. */
function load(e: Engine, host: string, isKept: boolean): number {
  const flags = ["-t1", `-c${CONNECTIONS}`, `-d${SECONDS}s`, ...(isKept ? [] : ["-H", "Connection: close"])];
  const shown = onHost(e, "wrk", ...flags, `http://${host}/`);
  if (/Socket errors|Non-2xx/.test(shown)) process.stderr.write(`${e.name} ${host}: ${shown}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(shown)?.[1] ?? 0);
}

/**
 * Starts the server, the machine's bun under its own libraries, and returns the container's address. Each way has a server of
 * its own: what comes through loopback has the bridge's address for the container, as what comes directly, and would meet the
 * closed connections of the other way there.
 */
function startServer(e: Engine, name: string, ...published: string[]): string {
  const bun = spawnSync(join(ROOT, "tools/bun"), ["-e", "console.log(process.execPath)"], {
    encoding: "utf8",
  });
  const argv = ["chroot", "/host", bun.stdout.trim(), "-e", SERVER];
  e.cli(["run", "-d", "--name", name, "-v", "/:/host:ro", ...published, "bench", ...argv]);
  const address = e.cli(["inspect", "-f", '{{(index .NetworkSettings.Networks "bridge").IPAddress}}', name]);
  const url = `http://${address.trim()}/`;
  onHost(
    e,
    "curl",
    "-sf",
    "--retry",
    "50",
    "--retry-connrefused",
    "--retry-delay",
    "1",
    "-o",
    "/dev/null",
    url,
  );
  return address.trim();
}

function throughput(engines: Engine[]): void {
  const servers = engines.map((e) => {
    startServer(e, "published", "-p", `${PORT}:80`);
    return { e, direct: startServer(e, "direct") };
  });
  console.log(
    `| requests per second, ${CONNECTIONS} connections, median of ${ROUNDS} | directly | through loopback | of direct |`,
  );
  console.log("|---|---|---|---|");
  for (const isKept of [true, false]) {
    const rates = servers.map(() => ({ direct: [] as number[], loopback: [] as number[] }));
    for (let round = 0; round < ROUNDS; round++)
      for (const [i, { e, direct }] of servers.entries()) {
        rates[i]?.direct.push(load(e, direct, isKept));
        rates[i]?.loopback.push(load(e, `127.0.0.1:${PORT}`, isKept));
      }
    for (const [i, { e }] of servers.entries()) {
      const [direct, loopback] = [median(rates[i]?.direct ?? []), median(rates[i]?.loopback ?? [])];
      const share = ((100 * loopback) / direct).toFixed(0);
      const what = isKept ? "kept connections" : "a connection each";
      console.log(`| ${e.name}, ${what} | ${direct.toFixed(0)} | ${loopback.toFixed(0)} | ${share} % |`);
    }
  }
  for (const e of engines) e.cli(["rm", "-f", "published", "direct"]);
}

/** Gbit/s of one iperf3 stream; `run` runs its client. */
function stream(run: (argv: string[]) => string, host: string, port: number): number {
  // iperf3 takes one client after the other, and one that comes too early is told so.
  for (let attempt = 0; attempt < 50; attempt++) {
    const shown = run(["sh", "-c", `iperf3 -J -t ${SECONDS} -c ${host} -p ${port} || sleep 0.2`]);
    const sum = JSON.parse(shown).end?.sum_received;
    if (sum !== undefined) return sum.bits_per_second / 1e9;
  }
  throw new Error(`no iperf3 answers at ${host}:${port}`);
}

function streams(engines: Engine[]): void {
  const servers = engines.map((e) => {
    // iperf3 writes into /tmp.
    const image = ["-v", "/:/host:ro", "--tmpfs", "/host/tmp", "bench"];
    e.cli([
      "run",
      "-d",
      "--name",
      "sink",
      "-p",
      `${STREAM_PORT}:5201`,
      ...image,
      "chroot",
      "/host",
      "iperf3",
      "-s",
    ]);
    e.cli(["run", "-d", "--name", "source", ...image, "sleep", "3600"]);
    const format = '{{(index .NetworkSettings.Networks "bridge").IPAddress}}';
    return { e, address: e.cli(["inspect", "-f", format, "sink"]).trim(), rates: [[], []] as number[][] };
  });
  for (let round = 0; round < ROUNDS; round++)
    for (const { e, address, rates } of servers) {
      const inside = (argv: string[]): string => e.cli(["exec", "source", "chroot", "/host", ...argv]);
      rates[0]?.push(stream(inside, address, 5201));
      rates[1]?.push(stream((argv) => onHost(e, ...argv), "127.0.0.1", STREAM_PORT));
    }
  console.log(
    `\n| Gbit/s of one stream, median of ${ROUNDS} | between containers | through loopback |\n|---|---|---|`,
  );
  for (const { e, rates } of servers) {
    console.log(`| ${e.name} | ${rates.map((r) => median(r).toFixed(1)).join(" | ")} |`);
    e.cli(["rm", "-f", "sink", "source"]);
  }
}

/** Milliseconds of `run -d` with one published port, or with what the flag says. */
function startTimes(e: Engine, published?: string): number[] {
  return Array.from({ length: ROUNDS + 1 }, (_, i) => {
    const start = process.hrtime.bigint();
    e.cli(["run", "-d", "--name", "one", "-p", published ?? `${10_000 + i}:80`, "bench", "sleep", "3600"]);
    const ms = Number(process.hrtime.bigint() - start) / 1e6;
    e.cli(["rm", "-f", "one"]);
    return ms;
  }).slice(1);
}

function startCost(e: Engine): void {
  const alone = median(startTimes(e));
  const each = CROWD.ports / CROWD.containers;
  for (let i = 0; i < CROWD.containers; i++) {
    const first = 20_000 + i * each;
    const range = (from: number) => `${from}-${from + each - 1}`;
    const flags = ["--name", `crowd${i}`, "-p", `127.0.0.1:${range(first)}:${range(first + 7)}`];
    e.cli(["run", "-d", ...flags, "bench", "sleep", "3600"]);
  }
  const crowded = median(startTimes(e));
  const numbers = `${RANGE.first}-${RANGE.first + RANGE.count - 1}`;
  const range = median(startTimes(e, `${numbers}:${numbers}`));
  console.log(`| ${e.name} | ${[alone, crowded, range].map((ms) => ms.toFixed(1)).join(" | ")} |`);
  e.cli(["rm", "-f", ...Array.from({ length: CROWD.containers }, (_, i) => `crowd${i}`)]);
}

function busyboxImage(e: Engine): void {
  const script =
    "d=$(mktemp -d) && mkdir $d/bin $d/host && cp /bin/busybox $d/bin && for a in sh sleep chroot; do ln -s busybox $d/bin/$a; done && tar -C $d -c . && rm -r $d";
  e.cli(["import", "-", "bench"], { input: spawnSync("sh", ["-c", script], { maxBuffer: 1 << 26 }).stdout });
}

async function main(): Promise<void> {
  await using berth = await startBerth();
  await using docker = await startDocker();
  const engines = [berth, docker];
  for (const e of engines) busyboxImage(e);
  throughput(engines);
  streams(engines);
  console.log(
    `\n| milliseconds of \`run -d -p\`, median of ${ROUNDS} | no other ports | ${CROWD.ports} ports of ${CROWD.containers} containers | beside them, with a range of ${RANGE.count} |`,
  );
  console.log("|---|---|---|---|");
  for (const e of engines) startCost(e);
}

await main();
