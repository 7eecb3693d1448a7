// Clients whose machine vanishes without a word: nothing arrives from it any more, and nothing that is sent there is answered. What they had open is let go.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Live } from "../e2e/command.ts";
import { clients, TestDaemon } from "../e2e/harness.ts";
import { connectOutside, ip } from "../e2e/namespace.ts";
import { makeCertificates } from "../e2e/own-registry.ts";

const berth = clients[0] as (typeof clients)[number];
/** The long form waits until the silent ones are found out, too: minutes. */
const isLong = process.env["BERTH_TORTURE"] === "1";
/** The outside's ports: of requests that bring nothing, and of others. */
const SILENT_PORTS = 41_000;
const OTHER_PORTS = 42_000;
/** How long a silent client may be left alone before it is asked. */
const MOST_SILENCE_SECONDS = 120;

const UPGRADE = ["-X", "POST", "-H", "Connection: Upgrade", "-H", "Upgrade: tcp"];
let daemon: TestDaemon;
let certificates: string;
before(async () => {
  certificates = await mkdtemp(join(tmpdir(), "berth-vanished-"));
  await makeCertificates(certificates);
  const files = ["--tlscert", join(certificates, "server.crt"), "--tlskey", join(certificates, "server.key")];
  daemon = await TestDaemon.start({ args: ["-H", "tcp://0.0.0.0:2376", "--tls", ...files] });
});
after(async () => {
  await daemon.close();
  await rm(certificates, { recursive: true, force: true });
});

const descriptors = (): number => readdirSync(`/proc/${daemon.pid}/fd`).length;

/** The connections to the daemon's TCP port, each with its timer. */
async function connections(): Promise<string[]> {
  const look = ["ss", "-Htno", "sport", "=", ":2376"];
  return (await daemon.network.run(look)).stdout.split("\n").filter((line) => line.startsWith("ESTAB"));
}

async function until(what: string, is: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 170_000;
  while (!(await is())) {
    assert.equal(performance.now() < end, true, `in vain: ${what}: ${(await connections()).join("\n")}`);
    assert.equal((await daemon.request("GET", "/_ping")).status, 200);
  }
}

/** Those of requests that bring nothing. */
const silentOnes = (all: readonly string[]): string[] =>
  all.filter((connection) => /:41\d{3}\s/.test(connection));

/** Seconds until the kernel asks whether the other side is there; undefined when another timer runs. */
function silenceOf(connection: string): number | undefined {
  const [, minutes = "0", seconds = "0"] =
    /timer:\(keepalive,(?:(\d+)min)?(?:(\d+)sec)?/.exec(connection) ?? [];
  return connection.includes("timer:(keepalive") ? Number(minutes) * 60 + Number(seconds) : undefined;
}

test("streams, waits and attached terminals of a machine that vanishes are let go", async () => {
  const outside = await connectOutside(daemon.network);
  daemon.otherLinks.push("wan0");
  // What was sent and not answered is sent again some times, by the host's settings: usually for a quarter of an hour.
  await daemon.network.run(["sh", "-c", "echo 3 > /proc/sys/net/ipv4/tcp_retries2"]);
  const run = ["run", "-d", "-i", "--name"];
  await daemon.text(berth, [...run, "silent", "busybox", "cat"]);
  await daemon.text(berth, [
    ...run,
    "talks",
    "busybox",
    "sh",
    "-c",
    "while :; do echo line; sleep 0.05; done",
  ]);
  const descriptorsBefore = descriptors();
  const requests: readonly (readonly [path: string, ...flags: string[]])[] = [
    ["/events"],
    ["/containers/silent/logs?follow=1&stdout=1"],
    ["/containers/talks/logs?follow=1&stdout=1"],
    ["/containers/talks/stats"],
    ["/containers/silent/wait", "-X", "POST"],
    ["/containers/silent/attach?stream=1&stdin=1&stdout=1", ...UPGRADE],
    ["/containers/talks/attach?stream=1&stdout=1", ...UPGRADE],
  ];
  const isSilent = (path: string): boolean => !path.includes("talks");
  const silent = requests.filter(([path]) => isSilent(path)).length;
  const streams = requests.map(([path, ...flags], i) => {
    const port = String((isSilent(path) ? SILENT_PORTS : OTHER_PORTS) + i);
    const argv = ["curl", "-skNv", "--http1.1", "--local-port", port, ...flags];
    return new Live(outside.wrap([...argv, `https://10.99.0.1:2376${path}`]), { timeoutMs: 170_000 });
  });
  await Promise.all(streams.map((stream) => stream.prints(/< HTTP\/1.1 (?:200|101) /)));
  await until("the lines come", async () => streams.filter((s) => s.output.includes("line")).length >= 2);
  // Nothing that was sent to them is on its way any more.
  await until("the silent ones are silent", async () => {
    const quiet = silentOnes(await connections()).filter((c) => silenceOf(c) !== undefined);
    return quiet.length === silent;
  });

  const drop =
    "iifname wan0 drop; }; chain o { type filter hook output priority -300; oifname wan0 drop; }; }";
  const rules = `table inet vanished { chain i { type filter hook input priority -300; ${drop}`;
  await daemon.network.run(["nft", rules]);
  for (const stream of streams) stream.kill("SIGKILL");
  await Promise.all(streams.map((stream) => stream.ended));

  await until("those that are sent something are found out", async () => {
    const left = await connections();
    assert.equal(silentOnes(left).length, silent, left.join("\n"));
    return left.length === silent && left.every((c) => (silenceOf(c) ?? Infinity) <= MOST_SILENCE_SECONDS);
  });
  if (isLong) {
    await until("all are found out", async () => (await connections()).length === 0);
    await until("descriptors come back", async () => descriptors() <= descriptorsBefore);
  }
  assert.equal(await daemon.text(berth, ["exec", "talks", "echo", "inside"]), "inside");
  await daemon.network.run(["nft", "delete", "table", "inet", "vanished"]);
  await ip(daemon.network, "link", "del", "wan0");
  await outside.close();
});
