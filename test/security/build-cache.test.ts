// The build cache against images from elsewhere: one that claims to be the result of a step is not taken for it, whichever builder looks.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { run } from "../e2e/command.ts";
import { clients, TestDaemon } from "../e2e/harness.ts";

const berth = clients[0] as (typeof clients)[number];
const STEP = "echo good >/made";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({ config: { undo: false } });
});
after(() => daemon.close());

interface Config {
  readonly history: { created_by: string; comment?: string }[];
  readonly rootfs: { diff_ids: string[] };
}

/** An archive of an image with another content, whose configuration and history are those that the step would have made. */
async function forged(): Promise<Buffer> {
  const dir = daemon.path("forged");
  await mkdir(`${dir}/content`, { recursive: true });
  await daemon.text(berth, ["build", "-t", "honest", "-"], { input: `FROM busybox\nRUN ${STEP}\n` });
  const archive = await daemon.run(berth, ["save", "honest"]);
  await run(["tar", "-x", "-C", dir], { input: archive.bytes });
  await daemon.text(berth, ["rmi", "honest"]);
  await daemon.text(berth, ["builder", "prune", "-af"]);
  const [image] = JSON.parse(await readFile(`${dir}/manifest.json`, "utf8")) as [
    { Config: string; Layers: string[] },
  ];
  const config = JSON.parse(await readFile(`${dir}/${image.Config}`, "utf8")) as Config;
  await writeFile(`${dir}/content/made`, "evil\n");
  const layer = (await run(["tar", "-c", "-C", `${dir}/content`, "made"])).bytes;
  config.rootfs.diff_ids.splice(-1, 1, `sha256:${createHash("sha256").update(layer).digest("hex")}`);
  await writeFile(`${dir}/evil.tar`, layer);
  await writeFile(`${dir}/evil.json`, JSON.stringify(config));
  const Layers = [...image.Layers.slice(0, -1), "evil.tar"];
  const manifest = [{ Config: "evil.json", RepoTags: ["evil:latest"], Layers }];
  await writeFile(`${dir}/manifest.json`, JSON.stringify(manifest));
  const packed = await run(["tar", "-c", "-C", dir, "manifest.json", "evil.json", ...Layers]);
  assert.equal(packed.status, 0, packed.stderr);
  return packed.bytes;
}

test("an image that claims to be the result of a step is not taken for it", async () => {
  await daemon.text(berth, ["load"], { input: await forged() });
  assert.equal(await daemon.text(berth, ["run", "--rm", "evil", "cat", "/made"]), "evil");
  assert.match(await daemon.text(berth, ["history", "--no-trunc", "evil"]), new RegExp(STEP));
  for (const DOCKER_BUILDKIT of ["0", "1"]) {
    const options = { input: `FROM busybox\nRUN ${STEP}\n`, env: { DOCKER_BUILDKIT } };
    await daemon.text(berth, ["build", "-t", "built", "-"], options);
    assert.equal(await daemon.text(berth, ["run", "--rm", "built", "cat", "/made"]), "good");
    await daemon.text(berth, ["rmi", "built"]);
    await daemon.text(berth, ["builder", "prune", "-af"]);
  }
});
