import assert from "node:assert/strict";
import { test } from "node:test";
import type { ImageManifest, ImageSummary } from "../../api/schemas/image.ts";
import { imageTree } from "./image-tree.ts";

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const manifest = (letter: string, architecture: string, isHere: boolean): ImageManifest => ({
  ID: digest(letter),
  Descriptor: { mediaType: "m", digest: digest(letter), size: 1 },
  Available: isHere,
  Size: isHere ? { Content: 2_000_000, Total: 7_000_000 } : { Content: 0, Total: 0 },
  Kind: "image",
  ImageData: {
    Platform: { os: "linux", architecture, ...(architecture === "arm64" ? { variant: "v8" } : {}) },
    Size: { Unpacked: isHere ? 5_000_000 : 0 },
    Containers: isHere ? ["c"] : [],
  },
});
const image = (name: string, Created: number, Manifests: ImageManifest[]): ImageSummary => ({
  Id: digest("a"),
  RepoTags: [name],
  RepoDigests: [],
  Containers: -1,
  Created,
  Labels: null,
  ParentId: "",
  SharedSize: -1,
  Size: 5_000_000,
  Manifests,
});
const images = [
  image("old:1", 1, []),
  image("new:latest", 2, [manifest("b", "amd64", true), manifest("c", "arm64", false)]),
];

test("images are shown newest first, with their platforms below them and a mark for what is in use", () => {
  assert.deepEqual(imageTree(images, 0).split("\n").slice(1), [
    `${" ".repeat(61)} Info ->  U In Use `,
    "",
    "IMAGE                   ID             DISK USAGE   CONTENT SIZE   EXTRA",
    "new:latest              aaaaaaaaaaaa          5MB            2MB   U    ",
    "├─ linux/amd64          bbbbbbbbbbbb          7MB            2MB   U    ",
    "└─ linux/arm64/v8       cccccccccccc           0B             0B        ",
    "",
    "old:1                   aaaaaaaaaaaa          5MB             0B        ",
    "",
    "",
  ]);
});

test("without platforms nothing is set apart; the longest of several names comes first", () => {
  const plain = imageTree(
    [{ ...image("a:1", 1, []), RepoTags: ["a:1", "longer:2"] }, image("b:1", 0, [])],
    0,
  );
  assert.deepEqual(plain.split("\n").slice(4), [
    "longer:2",
    "a:1        aaaaaaaaaaaa          5MB             0B        ",
    "b:1        aaaaaaaaaaaa          5MB             0B        ",
    "",
  ]);
});

test("columns that have no room are left out, long names are cut, and a terminal gets colours", () => {
  const narrow = imageTree([image("a-name-that-is-rather-long:latest", 1, [])], 30).split("\n");
  const bold = (text: string) => `\u001b[39m\u001b[1m${text}\u001b[0m`;
  assert.equal(narrow[3], `${bold("IMAGE")}             ${bold("ID")}          `);
  assert.equal(narrow[4], `\u001b[34m\u001b[1ma-name-that-is…\u001b[0m   \u001b[39maaaaaaaaaaaa\u001b[0m`);
  assert.ok(imageTree(images, 80).includes("\u001b[39m\u001b[2m└─ linux/arm64/v8\u001b[0m"));
  const steering = manifest("d", "\u001b]0;x", true);
  assert.ok(
    imageTree([image("a:1", 1, [steering])], 0).includes("└─ linux/\\x1b]0;x"),
    "an index steers no terminal",
  );
});
