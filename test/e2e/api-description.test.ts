// Every operation of the Engine API that concerns one host answers as Docker's description of the API says: each is really called,
// in the newest version, once so that it succeeds and, where it names an object, once for one that is not there.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { mistakesIn, singleHost } from "./api-description.ts";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { hijack } from "./raw.ts";
import { TestRegistry } from "./registry.ts";

/** Fields that we add to Docker's; Parent is one of Docker's that the description has lost. */
const EXTENSIONS = ["LogStatus", "Parent", "Sequence", "Snapshots"];
/** Beside the description, as Docker has it for clients that ask for no version: the lists of versions before 1.52. */
const OLD_LISTS = ["LayersSize", "Images", "Containers", "Volumes", "BuildCache"];

let daemon: TestDaemon;
let registry: TestRegistry;
before(async () => {
  daemon = await TestDaemon.start();
  registry = await TestRegistry.start(daemon.path("registry"), daemon.network);
});
after(async () => {
  await registry.stop();
  await daemon.close();
});

/** Names of operations that have answered as described. */
const covered = new Set<string>();

interface Ask {
  readonly body?: unknown;
  /** A body that is no JSON: the file's, by its path. */
  readonly file?: string;
  /** A stream of JSON lines: each is judged alone. */
  readonly isStream?: boolean;
  readonly expect?: number;
}

/** Makes the call by its method and path as described, and judges the answer. */
async function ask(name: string, parameters: string, path: string, options: Ask = {}): Promise<unknown> {
  const operation = singleHost.find((o) => o.name === name);
  assert.ok(operation, `${name} is described`);
  const data =
    options.file !== undefined
      ? ["-H", "Content-Type: application/x-tar", "-T", options.file]
      : options.body === undefined
        ? []
        : ["-H", "Content-Type: application/json", "-d", JSON.stringify(options.body)];
  const method = operation.method === "HEAD" ? ["-I"] : ["-X", operation.method];
  const url = `http://d/v1.56${path}${parameters}`;
  const argv = ["curl", "-s", "-g", "-m", "60", "-w", "\n%{http_code}", ...data, ...method];
  const { stdout } = await run([...argv, "--unix-socket", daemon.socket, url]);
  const end = stdout.lastIndexOf("\n");
  const status = Number(stdout.slice(end + 1));
  const text = stdout.slice(0, end);
  assert.equal(status, options.expect ?? status, `${name}: ${text.slice(0, 500)}`);
  const isText = /^(SystemPing|SystemPingHead|ContainerArchiveInfo|ContainerLogs|ImageGet|ImageGetAll)$/.test(
    name,
  );
  const bodies = options.isStream ? text.trim().split("\n") : [text];
  for (const each of isText && status < 300 ? [] : bodies) {
    const value = each.trim() === "" ? undefined : parsed(each);
    assert.deepEqual(
      mistakesIn(
        name,
        status,
        value ?? {},
        name === "SystemDataUsage" ? [...EXTENSIONS, ...OLD_LISTS] : EXTENSIONS,
      ).filter((m) => value !== undefined || !/is missing/.test(m)),
      [],
    );
  }
  covered.add(name);
  return parsed(text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // ignored: archives and texts
  }
}

const [berth] = clients as readonly [Client];
const text = (...args: string[]) => daemon.text(berth, args);

test("system", async () => {
  await ask("SystemPing", "", "/_ping", { expect: 200 });
  await ask("SystemPingHead", "", "/_ping", { expect: 200 });
  await ask("SystemVersion", "", "/version", { expect: 200 });
  await ask("SystemInfo", "", "/info", { expect: 200 });
  await ask("SystemAuth", "", "/auth", {
    body: { username: "u", password: "p", serveraddress: registry.address },
    expect: 200,
  });
});

test("containers", async () => {
  await text("network", "create", "described");
  const created = (await ask("ContainerCreate", "?name=full", "/containers/create", {
    body: {
      Image: "busybox",
      Cmd: ["sh", "-c", "echo out; echo err >&2; exec sleep 1000"],
      Env: ["A=1"],
      Labels: { a: "b" },
      ExposedPorts: { "80/tcp": {} },
      Volumes: { "/anonymous": {} },
      Healthcheck: { Test: ["CMD", "true"], Interval: 1e9 },
      HostConfig: {
        PortBindings: { "80/tcp": [{ HostPort: "18300" }] },
        Binds: ["described-data:/data"],
        Memory: 64 << 20,
        Ulimits: [{ Name: "nofile", Soft: 100, Hard: 200 }],
        RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 },
        NetworkMode: "described",
      },
      NetworkingConfig: { EndpointsConfig: { described: { Aliases: ["web"] } } },
    },
    expect: 201,
  })) as { Id: string };
  const at = `/containers/${created.Id}`;
  await ask("ContainerStart", "", `${at}/start`, { expect: 204 });
  await ask("ContainerStart", "", `${at}/start`, { expect: 304 });
  await ask("ContainerInspect", "?size=1", `${at}/json`, { expect: 200 });
  await ask("ContainerList", "?all=1&size=1", "/containers/json", { expect: 200 });
  await ask("ContainerTop", "", `${at}/top`, { expect: 200 });
  await ask("ContainerLogs", "?stdout=1&stderr=1", `${at}/logs`, { expect: 200 });
  await ask("ContainerStats", "?stream=0&one-shot=1", `${at}/stats`, { expect: 200 });
  await ask("ContainerResize", "?h=20&w=80", `${at}/resize`);
  await ask("ContainerUpdate", "", `${at}/update`, {
    body: { Memory: 128 << 20, MemorySwap: 128 << 20 },
    expect: 200,
  });
  await ask("ContainerRename", "?name=renamed", `${at}/rename`, { expect: 204 });
  await ask("ContainerPause", "", `${at}/pause`, { expect: 204 });
  await ask("ContainerUnpause", "", `${at}/unpause`, { expect: 204 });
  const exec = (await ask("ContainerExec", "", `${at}/exec`, {
    body: { Cmd: ["sh", "-c", "touch /made; cat"], AttachStdin: true, Tty: true },
    expect: 201,
  })) as { Id: string };
  await ask("ExecStart", "", `/exec/${exec.Id}/start`, { body: { Detach: true, Tty: true }, expect: 200 });
  await ask("ExecResize", "?h=10&w=10", `/exec/${exec.Id}/resize`);
  await ask("ExecInspect", "", `/exec/${exec.Id}/json`, { expect: 200 });
  await ask("ContainerChanges", "", `${at}/changes`, { expect: 200 });
  const archive = daemon.path("archive.tar");
  await run([
    "curl",
    "-s",
    "-o",
    archive,
    "--unix-socket",
    daemon.socket,
    `http://d${at}/archive?path=/etc/passwd`,
  ]);
  await ask("ContainerArchiveInfo", "?path=/etc/passwd", `${at}/archive`, { expect: 200 });
  await ask("ContainerArchive", "?path=/etc/passwd", `${at}/archive`, { expect: 200 });
  await ask("PutContainerArchive", "?path=/tmp", `${at}/archive`, { file: archive, expect: 200 });
  await ask("ContainerExport", "", `${at}/export`, { expect: 200 });
  for (const [name, path] of [
    ["ContainerAttach", `/v1.56${at}/attach?stream=1&stdout=1`],
    ["Session", "/v1.56/session"],
  ] as const) {
    const answer = await hijack(daemon.socket, path, {
      headers: {
        Connection: "Upgrade",
        Upgrade: name === "Session" ? "h2c" : "tcp",
        "X-Docker-Expose-Session-Uuid": "x",
      },
    });
    assert.match(answer.status, / 101 /, name);
    answer.socket.destroy();
    covered.add(name);
  }
  // Not a websocket's handshake: the error is one that is described.
  await ask("ContainerAttachWebsocket", "?stream=1", `${at}/attach/ws`, { expect: 400 });
  await ask("ContainerKill", "?signal=USR1", `${at}/kill`, { expect: 204 });
  await ask("ContainerRestart", "?t=0", `${at}/restart`, { expect: 204 });
  await ask("ContainerStop", "?t=0", `${at}/stop`, { expect: 204 });
  await ask("ContainerStop", "?t=0", `${at}/stop`, { expect: 304 });
  await ask("ContainerWait", "", `${at}/wait`, { expect: 200 });
  await ask("ContainerInspect", "", `${at}/json`, { expect: 200 });
  await ask("ImageCommit", `?container=${created.Id}&repo=committed`, "/commit", { body: {}, expect: 201 });
  await ask("SystemDataUsage", "", "/system/df", { expect: 200 });
  await ask("SystemDataUsage", "?verbose=1", "/system/df", { expect: 200 });
  await ask("ContainerDelete", "?v=1", at, { expect: 204 });
  await text("create", "busybox", "true");
  await ask("ContainerPrune", "", "/containers/prune", { expect: 200 });
  await text("network", "rm", "described");
  await text("volume", "rm", "described-data");
});

test("images", async () => {
  const tar = daemon.path("image.tar");
  await text("save", "-o", tar, "busybox");
  await ask("ImageLoad", "", "/images/load", { file: tar, isStream: true, expect: 200 });
  await ask("ImageList", "?all=1&shared-size=1&digests=1&manifests=1", "/images/json", { expect: 200 });
  await ask("ImageInspect", "", "/images/busybox/json", { expect: 200 });
  await ask("ImageInspect", "?manifests=1", "/images/busybox/json", { expect: 200 });
  await ask("ImageHistory", "", "/images/busybox/history", { expect: 200 });
  await ask("ImageAttestations", "", "/images/busybox/attestations", { expect: 200 });
  const name = `${registry.address}/kit`;
  await ask("ImageTag", `?repo=${name}&tag=1`, "/images/busybox/tag", { expect: 201 });
  await ask("ImagePush", "?tag=1", `/images/${name}/push`, { isStream: true, expect: 200 });
  await ask("DistributionInspect", "", `/distribution/${name}:1/json`, { expect: 200 });
  await ask("ImageDelete", "", `/images/${name}:1`, { expect: 200 });
  await ask("ImageCreate", `?fromImage=${name}&tag=1`, "/images/create", { isStream: true, expect: 200 });
  await ask("ImageInspect", "?manifests=1", `/images/${name}:1/json`, { expect: 200 });
  await ask("ImageGet", "", "/images/busybox/get", { expect: 200 });
  await ask("ImageGetAll", "?names=busybox", "/images/get", { expect: 200 });
  await ask("ImageSearch", "?term=x&limit=1", "/images/search");
  const context = daemon.path("context.tar");
  const built = await run(["tar", "-cf", context, "-C", daemon.path(), "daemon.json"]);
  assert.equal(built.status, 0);
  await ask("ImageBuild", `?remote=&dockerfile=daemon.json&t=x`, "/build", { file: context, isStream: true });
  await ask("BuildPrune", "", "/build/prune", { expect: 200 });
  await ask("ImagePrune", "", "/images/prune", { expect: 200 });
  await text("rmi", `${name}:1`, "committed");
});

test("networks and volumes", async () => {
  await ask("NetworkCreate", "", "/networks/create", {
    body: { Name: "net", Labels: { a: "b" } },
    expect: 201,
  });
  await text("create", "--name", "member", "busybox", "sleep", "1000");
  await ask("NetworkConnect", "", "/networks/net/connect", { body: { Container: "member" }, expect: 200 });
  await text("start", "member");
  await ask("NetworkInspect", "", "/networks/net", { expect: 200 });
  await ask("NetworkInspect", "?verbose=1", "/networks/bridge", { expect: 200 });
  await ask("NetworkList", "", "/networks", { expect: 200 });
  await ask("NetworkDisconnect", "", "/networks/net/disconnect", {
    body: { Container: "member" },
    expect: 200,
  });
  await ask("NetworkDelete", "", "/networks/net", { expect: 204 });
  await ask("NetworkDelete", "", "/networks/bridge", { expect: 403 });
  await text("network", "create", "idle");
  await ask("NetworkPrune", "", "/networks/prune", { expect: 200 });
  await text("rm", "-f", "-t", "0", "member").catch(() => text("rm", "-f", "member"));
  await ask("VolumeCreate", "", "/volumes/create", {
    body: { Name: "vol", Labels: { a: "b" } },
    expect: 201,
  });
  await ask("VolumeInspect", "", "/volumes/vol", { expect: 200 });
  await ask("VolumeList", "", "/volumes", { expect: 200 });
  await ask("VolumeUpdate", "?version=1", "/volumes/vol", { body: {}, expect: 503 });
  await ask("VolumeDelete", "", "/volumes/vol", { expect: 204 });
  await ask("VolumePrune", "", "/volumes/prune", { expect: 200 });
});

test("plugins", async () => {
  const at = daemon.path("plugin");
  await mkdir(`${at}/rootfs`, { recursive: true });
  const source = join(import.meta.dirname, "testdata/plugin.c");
  const flags = ["-D_GNU_SOURCE", "-O1", "-static"];
  assert.equal((await run(["gcc", ...flags, "-o", `${at}/rootfs/plugin`, source])).status, 0);
  const config = {
    description: "described",
    entrypoint: ["/plugin", "test.sock"],
    interface: { types: ["docker.volumedriver/1.0"], socket: "test.sock" },
    network: { type: "host" },
    linux: { capabilities: ["CAP_SYS_ADMIN"] },
    env: [{ name: "DEBUG", description: "more words", settable: ["value"], value: "0" }],
  };
  await writeFile(`${at}/config.json`, JSON.stringify(config));
  const archive = daemon.path("plugin.tar");
  assert.equal((await run(["tar", "-cf", archive, "-C", at, "."])).status, 0);
  const name = `${registry.address}/described:1`;
  const path = `/plugins/${name}`;
  await ask("PluginCreate", `?name=${name}`, "/plugins/create", { file: archive, expect: 204 });
  await ask("PluginSet", "", `${path}/set`, { body: ["DEBUG=1"], expect: 204 });
  await ask("PluginPush", "", `${path}/push`, { isStream: true, expect: 200 });
  await ask("PluginDelete", "", path, { expect: 200 });
  const granted = await ask("GetPluginPrivileges", `?remote=${name}`, "/plugins/privileges", { expect: 200 });
  assert.deepEqual((granted as { Name: string }[]).map((p) => p.Name).sort(), ["capabilities", "network"]);
  const pulled = { body: granted, isStream: true, expect: 200 };
  await ask("PluginPull", `?remote=${name}&name=${name}`, "/plugins/pull", pulled);
  await ask("PluginInspect", "", `${path}/json`, { expect: 200 });
  await ask("PluginUpgrade", `?remote=${name}`, `${path}/upgrade`, pulled);
  await ask("PluginEnable", "?timeout=30", `${path}/enable`, { expect: 200 });
  await ask("PluginList", "", "/plugins", { expect: 200 });
  await ask("PluginInspect", "", `${path}/json`, { expect: 200 });
  await ask("PluginDisable", "", `${path}/disable`, { expect: 200 });
  await ask("PluginDelete", "", path, { expect: 200 });
});

test("events of everything that has happened", async () => {
  const until = `?since=0&until=${Date.now() / 1000}`;
  await ask("SystemEvents", until, "/events", { isStream: true, expect: 200 });
});

test("what is not there is answered as described, too", async () => {
  for (const { name, method, path, responses } of singleHost) {
    if (!path.includes("{") || responses["404"] === undefined) continue;
    const parameters = name.includes("Archive")
      ? "?path=/"
      : /Resize/.test(name)
        ? "?h=1&w=1"
        : /Tag/.test(name)
          ? "?repo=x"
          : name === "PluginUpgrade"
            ? `?remote=${registry.address}/none-such`
            : name === "VolumeUpdate"
              ? "?version=1"
              : name === "ContainerRename"
                ? "?name=other"
                : "";
    const body =
      /^(ContainerExec|ContainerUpdate|ExecStart|NetworkConnect|NetworkDisconnect|VolumeUpdate)$/.test(name)
        ? { body: { Container: "none", Cmd: ["true"] } }
        : /^Plugin(Set|Upgrade)$/.test(name)
          ? { body: [] }
          : name === "PutContainerArchive"
            ? { file: daemon.path("archive.tar") }
            : {};
    if (method === "HEAD" || name === "ContainerAttach") continue;
    await ask(name, parameters, path.replace(/\{[^}]*\}/, "none-such"), body);
  }
});

test("every operation was called", async () => {
  const names = singleHost.map((o) => o.name);
  assert.deepEqual(
    names.filter((name) => !covered.has(name)),
    [],
  );
});
