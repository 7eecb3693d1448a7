// Writes testdata/events.json: what Docker Engine says to the story. `tools/bun test/e2e/record-events.ts SOCKET`.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tellStory } from "./event-story.ts";

const socket = process.argv[2] ?? "/var/run/docker.sock";
const dir = await mkdtemp(join(tmpdir(), "story-"));
try {
  const story = await tellStory({ socket, dir });
  const file = new URL("./testdata/events.json", import.meta.url);
  await writeFile(file, `${JSON.stringify(story, undefined, 1)}\n`);
} finally {
  await rm(dir, { recursive: true, force: true });
}
