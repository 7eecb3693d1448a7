// The plugin protocol against a small plugin that really listens.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { callPlugin } from "../../../lib/plugin-protocol/client.ts";
import { listPlugins, locatePlugin } from "../../../lib/plugin-protocol/locate.ts";
import { FilePlugins } from "../../../lib/plugin-protocol/lookup.ts";
import { PluginDrivers } from "./drivers.ts";

type Calls = Record<string, (body: Record<string, unknown>) => unknown>;

const dir = mkdtempSync(join(tmpdir(), "berth-plugin-"));
const dirs = { sockets: join(dir, "run"), specs: [join(dir, "etc"), join(dir, "lib")] };
const timeouts = { long: 500, short: 500, list: 500 };
const servers: Server[] = [];
const seen: { method: string; body: unknown; type: string | undefined }[] = [];

/** Starts a plugin; a call that is not given answers 404, one that returns undefined never answers. */
function plugin(path: string, calls: Calls): Promise<Server> {
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on("end", () => {
      const method = request.url?.slice(1) ?? "";
      const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
      seen.push({ method, body, type: request.headers["content-type"] });
      const call = calls[method];
      if (call === undefined) return void response.writeHead(404).end("no such call");
      const reply = call(body);
      if (reply === undefined) return;
      if (typeof reply === "string") return void response.writeHead(500).end(reply);
      response.end(JSON.stringify(reply));
    });
  });
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(path, () => resolve(server));
  });
}

const volumes = new Map<string, { opts: unknown; users: Set<unknown> }>();
const STORE: Calls = {
  "Plugin.Activate": () => ({ Implements: ["VolumeDriver"] }),
  "VolumeDriver.Capabilities": () => ({ Capabilities: { Scope: "Global" } }),
  "VolumeDriver.Create": ({ Name, Opts }) => {
    volumes.set(String(Name), { opts: Opts, users: new Set() });
    return { Err: "" };
  },
  "VolumeDriver.Get": ({ Name }) =>
    volumes.has(String(Name))
      ? { Volume: { Name, Mountpoint: "", Status: { nodes: 3 }, CreatedAt: "2026-01-02T03:04:05Z" } }
      : { Err: "never heard of it" },
  "VolumeDriver.Path": ({ Name }) => ({ Mountpoint: `/srv/${Name}` }),
  "VolumeDriver.List": () => ({ Volumes: [...volumes.keys()].map((Name) => ({ Name })) }),
  "VolumeDriver.Mount": ({ Name, ID }) => {
    volumes.get(String(Name))?.users.add(ID);
    return { Mountpoint: Name === "relative" ? "srv" : `/srv/${Name}` };
  },
  "VolumeDriver.Unmount": ({ Name, ID }) => {
    volumes.get(String(Name))?.users.delete(ID);
    return {};
  },
  "VolumeDriver.Remove": ({ Name }) =>
    volumes.delete(String(Name)) ? {} : { Err: "cannot remove what is not there" },
};

before(async () => {
  for (const d of [dirs.sockets, ...dirs.specs]) mkdirSync(d);
  await plugin(join(dirs.sockets, "store.sock"), STORE);
});
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(dir, { recursive: true, force: true });
});

const drivers = (): PluginDrivers =>
  new PluginDrivers({ lookup: new FilePlugins(dirs), timeouts, log: () => {} });

test("a volume's whole life passes through the plugin", async () => {
  const driver = await drivers().driver("store");
  assert.equal(await driver.scope(), "global");
  assert.equal(await driver.get("v1"), undefined, "an error of Get means that there is none");
  await driver.create("v1", { size: "1g" });
  assert.deepEqual(volumes.get("v1")?.opts, { size: "1g" });
  assert.deepEqual(await driver.get("v1"), {
    name: "v1",
    mountpoint: "/srv/v1",
    createdAt: "2026-01-02T03:04:05Z",
    status: { nodes: 3 },
  });
  assert.deepEqual(await driver.list(), [{ name: "v1", mountpoint: "" }]);
  assert.equal(await driver.mount("v1", "container-1"), "/srv/v1");
  assert.deepEqual([...(volumes.get("v1")?.users ?? [])], ["container-1"]);
  await driver.unmount("v1", "container-1");
  assert.equal(volumes.get("v1")?.users.size, 0);
  await assert.rejects(driver.mount("relative", "c"), /named no absolute path: "srv"/);
  await driver.remove("v1");
  await assert.rejects(driver.remove("v1"), { message: "cannot remove what is not there" });
  const activation = seen.find((s) => s.method === "Plugin.Activate");
  assert.equal(activation?.type, "application/vnd.docker.plugins.v1.2+json");
});

test("plugins are found by socket, spec and json file, and nothing else is", async () => {
  const socket = join(dirs.sockets, "store.sock");
  mkdirSync(join(dirs.sockets, "nested"));
  symlinkSync(socket, join(dirs.sockets, "nested", "nested.sock"));
  writeFileSync(join(dirs.specs[0] ?? "", "spec.spec"), `unix://${socket}\n`);
  writeFileSync(
    join(dirs.specs[1] ?? "", "far.json"),
    JSON.stringify({ Name: "far", Addr: "tcp://[::1]:99" }),
  );
  writeFileSync(
    join(dirs.specs[1] ?? "", "tls.json"),
    JSON.stringify({ Addr: "tcp://h:1", TLSConfig: { CAFile: "x" } }),
  );
  writeFileSync(join(dirs.specs[1] ?? "", "bad.json"), "{");
  writeFileSync(join(dirs.sockets, "file.sock"), "no socket");
  assert.deepEqual(await locatePlugin(dirs, "store"), { path: socket });
  assert.deepEqual(await locatePlugin(dirs, "nested"), { path: join(dirs.sockets, "nested", "nested.sock") });
  assert.deepEqual(await locatePlugin(dirs, "spec"), { path: socket });
  assert.deepEqual(await locatePlugin(dirs, "far"), { host: "::1", port: 99 });
  for (const name of ["none", "file", "../run/store", "", "a/b", ".hidden", `${"x".repeat(300)}`])
    assert.equal(await locatePlugin(dirs, name), undefined, name);
  await assert.rejects(locatePlugin(dirs, "tls"), { kind: "notImplemented" });
  await assert.rejects(locatePlugin(dirs, "bad"), /is no JSON/);
  assert.deepEqual(await listPlugins(dirs), ["bad", "far", "file", "nested", "spec", "store", "tls"]);
});

test("what a plugin does wrong is the error of one call", async () => {
  const path = join(dir, "wrong.sock");
  await plugin(path, {
    hangs: () => undefined,
    breaks: () => "it broke\n",
    says: () => ({ Err: "no room" }),
    list: () => [],
    floods: () => ({ Err: "", data: "x".repeat(9 << 20) }),
  });
  const call = (method: string) => callPlugin({ path }, method, {}, 500);
  await assert.rejects(call("hangs"), {
    kind: "deadline",
    message: /hangs: the plugin did not answer within 0\.5 seconds/,
  });
  await assert.rejects(call("breaks"), { message: "breaks: it broke" });
  await assert.rejects(call("says"), { message: "no room" });
  await assert.rejects(call("list"), { message: "list: the plugin's reply is no JSON object" });
  await assert.rejects(call("floods"), /floods: /);
  await assert.rejects(callPlugin({ path: join(dir, "nobody.sock") }, "any", {}, 500), /any: cannot connect/);
});

test("a driver is looked up in Docker's words, and again when its plugin has moved", async () => {
  const registry = drivers();
  await assert.rejects(registry.driver("nosuch"), {
    kind: "notFound",
    message: 'error looking up volume plugin nosuch: plugin "nosuch" not found',
  });
  await plugin(join(dirs.sockets, "net.sock"), {
    "Plugin.Activate": () => ({ Implements: ["NetworkDriver"] }),
  });
  await assert.rejects(registry.driver("net"), /Plugin does not implement the requested driver/);
  const first = await registry.driver("store");
  assert.equal(await registry.driver("store"), first);
  assert.deepEqual(registry.names(), ["store"]);
  rmSync(join(dirs.specs[0] ?? "", "spec.spec"));
  await assert.rejects(registry.driver("spec"), { kind: "notFound" });
  assert.deepEqual(
    (await registry.plugins()).map((d) => d.name),
    ["nested", "store"],
    "those that are no volume drivers, or do not answer, are left out",
  );
});
