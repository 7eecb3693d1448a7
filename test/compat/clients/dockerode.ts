// A day of dockerode's: argv[2] is the port to publish on. Prints one line a step and fails with the first step that fails.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { PassThrough, Readable } from "node:stream";
import Docker from "dockerode";

const docker = new Docker();
const port = process.argv[2] ?? "";
const step = (name: string): void => console.log(`ok ${name}`);

async function read(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** What a multiplexed stream holds, by channel. */
async function demux(stream: NodeJS.ReadableStream): Promise<{ out: string; err: string }> {
  const out = new PassThrough();
  const err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  const both = Promise.all([read(out), read(err)]);
  await once(stream, "end");
  out.end();
  err.end();
  const [o, e] = await both;
  return { out: o.toString(), err: e.toString() };
}

/** One line of a stream of JSON lines that `wanted` takes. */
async function line<T>(stream: NodeJS.ReadableStream, wanted: (item: T) => boolean): Promise<T> {
  let rest = "";
  for await (const chunk of stream) {
    rest += Buffer.from(chunk).toString();
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines.filter((l) => l.trim() !== "")) {
      const item = JSON.parse(text) as T;
      if (wanted(item)) return item;
    }
  }
  throw new Error("the stream ended");
}

const version = await docker.version();
assert.match(version.ApiVersion, /^1\.\d+$/);
assert.equal((await docker.ping()).toString(), "OK");
assert.equal((await docker.info()).Containers, 0);
step("version, ping, info");

const sink = new PassThrough();
const written = read(sink);
const [ran, ranIn] = await docker.run("busybox", ["sh", "-c", "echo hello; exit 3"], sink, {
  Tty: true,
});
assert.equal(ran.StatusCode, 3);
assert.equal((await written).toString(), "hello\r\n");
await (ranIn as Docker.Container).remove();
step("run with a terminal");

const attached = await docker.createContainer({
  Image: "busybox",
  Cmd: ["sh", "-c", "cat; echo done >&2"],
  OpenStdin: true,
  StdinOnce: true,
  AttachStdin: true,
  AttachStdout: true,
  AttachStderr: true,
});
const stream = await attached.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
const answer = demux(stream);
const exit = attached.wait({ condition: "next-exit" });
await attached.start();
stream.write("through ");
stream.end("stdin\n");
assert.deepEqual(await answer, { out: "through stdin\n", err: "done\n" });
assert.equal((await exit).StatusCode, 0);
await attached.remove();
step("attach, stdin half closed, wait");

const network = await docker.createNetwork({ Name: "compat", Labels: { by: "dockerode" } });
const volume = await docker.createVolume({ Name: "compat", Labels: { by: "dockerode" } });
const web = await docker.createContainer({
  name: "web",
  Image: "busybox",
  Cmd: ["sh", "-c", "echo page > /www/index.html; exec httpd -f -v -h /www"],
  ExposedPorts: { "80/tcp": {} },
  Labels: { by: "dockerode" },
  HostConfig: { PortBindings: { "80/tcp": [{ HostPort: port }] }, Binds: ["compat:/www"] },
  NetworkingConfig: { EndpointsConfig: { compat: { Aliases: ["site"] } } },
});
const events = await docker.getEvents({ filters: { type: ["container"], event: ["start"] } });
const started = line<{ Actor: { Attributes: { name: string } } }>(events, () => true);
await web.start();
assert.equal((await started).Actor.Attributes.name, "web");
const followed = (await web.logs({ follow: true, stdout: true, stderr: true })) as unknown as Readable;
let page = "";
for (let i = 0; i < 100 && page === ""; i++)
  page = await fetch(`http://127.0.0.1:${port}/`)
    .then((r) => (r.ok ? r.text() : ""))
    .catch(() => new Promise<string>((resolve) => setTimeout(() => resolve(""), 50)));
assert.equal(page, "page\n");
const [seen] = (await once(followed, "data")) as [Buffer];
assert.match(seen.subarray(8).toString(), /response:200/);
followed.destroy();
step("network, volume, published port, events, logs");

const listed = await docker.listContainers({ filters: { label: ["by=dockerode"] } });
assert.deepEqual(
  listed.map((c) => [c.Names[0], c.State, c.Ports[0]?.PublicPort]),
  [["/web", "running", Number(port)]],
);
const inspected = await web.inspect();
assert.equal(inspected.NetworkSettings.Networks["compat"]?.Aliases?.includes("site"), true);
const stats = await web.stats({ stream: false });
assert.ok(stats.memory_stats.usage > 0 && (stats.pids_stats?.current ?? 0) >= 1);
const top = (await web.top({ ps_args: "aux" })) as { Processes: string[][] };
assert.match(top.Processes[0]?.at(-1) ?? "", /httpd/);
step("list, inspect, stats, top");

const exec = await web.exec({ Cmd: ["sh", "-c", "cat; exit 7"], AttachStdin: true, AttachStdout: true });
const inside = await exec.start({ hijack: true, stdin: true });
const said = demux(inside);
inside.end("to exec");
assert.equal((await said).out, "to exec");
assert.equal((await exec.inspect()).ExitCode, 7);
step("exec with stdin");

await web.putArchive(await archiveOf("note", "text"), { path: "/tmp" });
assert.match((await read(await web.getArchive({ path: "/tmp/note" }))).toString("latin1"), /text/);
await web.pause();
assert.equal((await web.inspect()).State.Status, "paused");
await web.unpause();
await web.rename({ name: "site" });
await web.update({ RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 } });
await web.restart({ t: 1 });
step("archives, pause, rename, update, restart");

const committed = await web.commit({ repo: "compat", tag: "1", changes: ["ENV A=b"] });
assert.match(committed.Id, /^sha256:/);
assert.deepEqual((await docker.getImage("compat:1").inspect()).Config.Env?.includes("A=b"), true);
const saved = await read(await docker.getImage("compat:1").get());
await docker.getImage("compat:1").remove();
await read(await docker.loadImage(Readable.from([saved])));
assert.equal((await docker.getImage("compat:1").inspect()).Id, committed.Id);
step("commit, save, load");

const dockerfile = await archiveOf(
  "Dockerfile",
  'FROM busybox\nRUN echo built > /built\nCMD ["cat", "/built"]\n',
);
const progress = await docker.buildImage(Readable.from([dockerfile]), { t: "compat:built" });
const steps = await new Promise<{ stream?: string; error?: string }[]>((resolve, reject) =>
  docker.modem.followProgress(progress, (error, all) => (error ? reject(error) : resolve(all))),
);
assert.match(steps.map((s) => s.error ?? s.stream ?? "").join(""), /Successfully tagged compat:built/);
const output = new PassThrough();
const cat = read(output);
const [end] = await docker.run("compat:built", [], output, { Tty: true, HostConfig: { AutoRemove: true } });
assert.deepEqual([end.StatusCode, (await cat).toString()], [0, "built\r\n"]);
step("build");

await assert.rejects(docker.getContainer("nobody").inspect(), {
  statusCode: 404,
  reason: "no such container",
});
await assert.rejects(docker.createContainer({ name: "site", Image: "busybox", Cmd: ["true"] }), {
  statusCode: 409,
});
await web.stop({ t: 0 });
await web.remove({ v: true });
await network.remove();
await volume.remove();
for (const image of ["compat:1", "compat:built"]) await docker.getImage(image).remove();
await docker.pruneContainers();
step("errors and the end");
(events as unknown as Readable).destroy();

/** A tar archive of one file. */
async function archiveOf(name: string, text: string): Promise<Buffer> {
  const dir = await mkdtemp("/tmp/berth-compat-");
  try {
    await writeFile(`${dir}/${name}`, text);
    return execFileSync("tar", ["-cf", "-", "-C", dir, name]);
  } finally {
    await rm(dir, { recursive: true });
  }
}
