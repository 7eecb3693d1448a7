import { createReadStream } from "node:fs";
import { defineCommand, exactly } from "../../command.ts";
import { MAX_ARCHIVE_BYTES, unpackContext } from "../../contexts/archive.ts";
import { checkNewName, replaceTlsFiles, saveMeta } from "../../contexts/write.ts";
import { complain } from "../../failure.ts";
import { errnoText } from "../../options/env.ts";
import { print, printError } from "../../output.ts";

export const command = defineCommand({
  operands: "CONTEXT FILE|-",
  arity: exactly(2),
  flags: {},
  async run({ globals }, { args }) {
    const [name = "", file = ""] = args;
    checkNewName(globals.config, name);
    const { meta, tls } = unpackContext(await readArchive(file), name);
    saveMeta(globals.config, meta);
    replaceTlsFiles(globals.config, name, tls);
    print(`${name}\n`);
    printError(`Successfully imported context ${JSON.stringify(name)}\n`);
  },
});

/** Reads the file, or stdin for "-"; stops when there is more than an archive may have. */
async function readArchive(path: string): Promise<Uint8Array> {
  const source = path === "-" ? process.stdin : createReadStream(path);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of source) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_ARCHIVE_BYTES) break;
    }
  } catch (error) {
    const verb = (error as NodeJS.ErrnoException).code === "EISDIR" ? "read" : "open";
    throw complain(`${verb} ${path}: ${errnoText(error)}`);
  }
  if (size > MAX_ARCHIVE_BYTES) throw complain("read exceeds the defined limit");
  return Buffer.concat(chunks);
}
