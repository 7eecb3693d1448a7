import { closeSync, openSync } from "node:fs";
import { defineCommand } from "../../command.ts";
import { packContext } from "../../contexts/archive.ts";
import { checkContextName } from "../../contexts/meta.ts";
import { DEFAULT_CONTEXT, findContext, loadTlsFiles } from "../../contexts/read.ts";
import { complain } from "../../failure.ts";
import { errnoText } from "../../options/env.ts";
import { print, printError, writeAll } from "../../output.ts";
import { isTerminal } from "../../terminal/tty.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTEXT [FILE|-]",
  arity: { min: 1, max: 2 },
  flags: {},
  async run({ globals }, { args }) {
    const [name = "", file = `${name}.dockercontext`] = args;
    if (name !== DEFAULT_CONTEXT) checkContextName(name);
    const archive = packContext({
      meta: findContext(globals, name).meta,
      tls: loadTlsFiles(globals.config, name),
    });
    if (file !== "-") {
      writeNew(file, archive);
      printError(`Written file ${JSON.stringify(file)}\n`);
    } else if (isTerminal(1)) {
      throw complain("cowardly refusing to export to a terminal, specify a file path");
    } else print(archive);
  },
});

/** Writes a file that must not be there yet, for its owner only: it may hold a key. */
function writeNew(path: string, bytes: Uint8Array): void {
  let fd: number;
  try {
    fd = openSync(path, "wx", 0o600);
  } catch (error) {
    throw complain(`open ${path}: ${errnoText(error)}`);
  }
  try {
    writeAll(fd, bytes);
  } finally {
    closeSync(fd);
  }
}
