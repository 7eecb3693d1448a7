import assert from "node:assert/strict";
import { test } from "node:test";
import type { ImageManifest, ImageSummary } from "../../api/schemas/image.ts";
import { imageTree, treeSize } from "./image-tree.ts";

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

const view = { columns: 0, isPlain: false, isExpanded: true };
const terminal = (columns: number) => ({ ...view, columns });

test("images are shown by name, with their platforms below them and a mark for what is in use", () => {
  assert.deepEqual(imageTree(images, view).split("\n"), [
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

test("without the tree every name has a line, what has none comes last, and platforms only mark", () => {
  const untagged = { ...image("", 3, []), RepoTags: [] };
  const named = { ...image("", 1, [manifest("b", "amd64", true)]), RepoTags: ["b:1", "a-long-name:2"] };
  assert.deepEqual(imageTree([untagged, named], { ...view, isExpanded: false }).split("\n"), [
    "IMAGE           ID             DISK USAGE   CONTENT SIZE   EXTRA",
    "a-long-name:2   aaaaaaaaaaaa          5MB            2MB   U    ",
    "b:1             aaaaaaaaaaaa          5MB            2MB   U    ",
    "<untagged>      aaaaaaaaaaaa          5MB             0B        ",
    "",
  ]);
  assert.equal(treeSize([untagged, named], false), 3);
  assert.equal(treeSize([untagged, named], true), 2);
});

test("several names of an image stand below each other", () => {
  const plain = imageTree(
    [{ ...image("a:1", 1, []), RepoTags: ["longer:2", "a:1"] }, image("b:1", 0, [])],
    view,
  );
  assert.deepEqual(plain.split("\n").slice(1), [
    "a:1     ",
    "longer:2   aaaaaaaaaaaa          5MB             0B        ",
    "b:1        aaaaaaaaaaaa          5MB             0B        ",
    "",
  ]);
});

test("columns that have no room are left out, long names have lines of their own, and a terminal gets colours", () => {
  const narrow = imageTree([image("a-name-that-is-rather-long:latest", 1, [])], terminal(30)).split("\n");
  const bold = (text: string) => `\u001b[39m\u001b[1m${text}\u001b[0m`;
  assert.ok(narrow[0]?.endsWith("\u001b[48;5;14m U \u001b[0m In Use"));
  assert.equal(narrow[1], `${bold("IMAGE")}             ${bold("ID")}          `);
  assert.equal(narrow[2], "\u001b[34m\u001b[1ma-name-that-is-rather-long:latest\u001b[0m");
  assert.equal(narrow[3], `${" ".repeat(18)}\u001b[39maaaaaaaaaaaa\u001b[0m`);
  assert.ok(imageTree(images, terminal(80)).includes("\u001b[39m\u001b[2m└─ linux/arm64/v8\u001b[0m"));
  assert.ok(!imageTree(images, { ...terminal(80), isPlain: true }).includes("\u001b"));
  const steering = manifest("d", "\u001b]0;x", true);
  assert.ok(
    imageTree([image("a:1", 1, [steering])], view).includes("└─ linux/\\x1b]0;x"),
    "an index steers no terminal",
  );
});
