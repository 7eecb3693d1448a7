// The build cache against images from elsewhere: one that claims to be the result of a step is not taken for it, whichever builder looks.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { run } from "../e2e/command.ts";
import { attacks } from "./attack.ts";
import type { Bed } from "./bed.ts";

const STEP = "echo good >/made";

interface Config {
  readonly history: { created_by: string; comment?: string }[];
  readonly rootfs: { diff_ids: string[] };
}

/** An archive of an image with another content, whose configuration and history are those that the step would have made. */
async function forged(bed: Bed): Promise<Buffer> {
  const dir = bed.daemon.path("forged");
  await mkdir(`${dir}/content`, { recursive: true });
  await bed.text(["build", "-t", "honest", "-"], { input: `FROM busybox\nRUN ${STEP}\n` });
  const archive = await bed.berth("save", "honest");
  await run(["tar", "-x", "-C", dir], { input: archive.bytes });
  await bed.text(["rmi", "honest"]);
  await bed.text(["builder", "prune", "-af"]);
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

attacks(
  "the build cache",
  [
    {
      claim: "an image that claims to be the result of a step is not taken for it",
      cves: ["CVE-2024-24557"],
      // Any image is believed, as one that the user has named.
      weakened: [
        [
          "src/build/build-image.ts",
          "  if (cacheImages === undefined || cacheImages.length === 0) return undefined;",
          '  cacheImages ??= ["evil"];',
        ],
      ],
      async run(bed) {
        await bed.text(["load"], { input: await forged(bed) });
        assert.equal(await bed.text(["run", "--rm", "evil", "cat", "/made"]), "evil");
        assert.match(await bed.text(["history", "--no-trunc", "evil"]), new RegExp(STEP));
        const got: string[] = [];
        for (const DOCKER_BUILDKIT of ["0", "1"]) {
          const options = { input: `FROM busybox\nRUN ${STEP}\n`, env: { DOCKER_BUILDKIT } };
          await bed.text(["build", "-t", "built", "-"], options);
          const made = await bed.text(["run", "--rm", "built", "cat", "/made"]);
          if (made !== "good") got.push(`DOCKER_BUILDKIT=${DOCKER_BUILDKIT}: ${made}`);
          await bed.text(["rmi", "built"]);
          await bed.text(["builder", "prune", "-af"]);
        }
        return got;
      },
    },
  ],
  { config: { undo: false } },
);
