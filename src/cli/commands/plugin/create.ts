import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pluginCreate } from "../../../api/operations/plugin.ts";
import { compress } from "../../../lib/compress/stream.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { parseJson } from "../../../lib/json/parse.ts";
import { pluginConfig } from "../../../lib/plugin-protocol/config.ts";
import { decode } from "../../../lib/schema/decode.ts";
import { TAR_END } from "../../../lib/tar/writer.ts";
import { parseReference } from "../../../oci/reference.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { complain } from "../../failure.ts";
import { errnoText } from "../../options/env.ts";
import { print } from "../../output.ts";
import { packPath } from "../../tar-pack.ts";

export const command = defineCommand({
  operands: "[OPTIONS] PLUGIN PLUGIN-DATA-DIR",
  arity: atLeast(2),
  flags: { compress: bool("Compress the context using gzip") },
  async run(session, { args, flags }) {
    const [name = "", directory = ""] = args;
    parseReference(name);
    const root = resolve(directory);
    checkDirectory(root);
    checkConfig(join(directory, "config.json"));
    const packed = packDirectory(root);
    const upload = flags.compress ? compress(packed, "gzip") : packed;
    await (await session.client()).call(pluginCreate, { name }, { upload });
    print(`${name}\n`);
  },
});

function checkDirectory(path: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = lstatSync(path).isDirectory();
  } catch (error) {
    throw complain(`lstat ${path}: ${errnoText(error)}`);
  }
  if (!isDirectory) throw complain("context must be a directory");
}

/** Tells what is wrong with the file before anything is sent. */
function checkConfig(path: string): void {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw complain(`open ${path}: ${errnoText(error)}`);
  }
  decode(pluginConfig, parseJson(text));
}

/** Everything in the directory with its owners: they are the plugin's. */
async function* packDirectory(root: string): AsyncGenerator<Uint8Array> {
  const options = { links: new Map<string, string>(), isRootOwned: false };
  for (const path of walk(root, "")) {
    const full = join(root, path);
    yield* packPath(full, path, lstatSync(full), options);
  }
  yield TAR_END;
}

function* walk(root: string, below: string): Generator<string> {
  for (const entry of readdirSync(join(root, below), { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    yield path;
    if (entry.isDirectory()) yield* walk(root, path);
  }
}
