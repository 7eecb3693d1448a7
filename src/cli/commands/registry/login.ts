import { systemAuth } from "../../../api/operations/system.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { atMost, defineCommand } from "../../command.ts";
import { credentialsFor, hostOfKey, serverKey, storeCredentials } from "../../config/credentials.ts";
import { readLine } from "../../confirm.ts";
import { complain } from "../../failure.ts";
import { print, printError } from "../../output.ts";
import { isTerminal } from "../../terminal/tty.ts";
import { readAllStdin } from "../../upload.ts";

export const command = defineCommand({
  operands: "[OPTIONS] [SERVER]",
  description: "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
  arity: atMost(1),
  flags: {
    password: string("Password or Personal Access Token (PAT)", { short: "p" }),
    "password-stdin": bool("Take the Password or Personal Access Token (PAT) from stdin"),
    username: string("Username", { short: "u" }),
  },
  async run(session, { args, flags, given }) {
    if (given.has("password")) {
      printError("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
      if (flags["password-stdin"]) {
        throw complain("conflicting options: cannot specify both --password and --password-stdin");
      }
    }
    const host = hostOfKey(args[0] ?? "docker.io");
    const key = serverKey(host);
    const config = await session.config();
    let { username, password } = flags;
    if (flags["password-stdin"]) {
      if (username === "") throw complain("the --password-stdin option requires --username to be set");
      password = Buffer.from(await readAllStdin())
        .toString()
        .replace(/\r?\n$/, "");
    }
    if (username === "" && password === "") {
      const stored = credentialsFor(config, host);
      if (stored.username !== undefined && stored.password !== undefined) {
        printError("Authenticating with existing credentials...\n");
        ({ username, password } = stored as { username: string; password: string });
      }
    }
    if (username === "" || password === "") {
      if (!isTerminal(0)) throw complain("Error: Cannot perform an interactive login from a non TTY device");
      ({ username, password } = await ask(username, password));
    }
    const client = await session.client();
    const auth = { username, password, serveraddress: key };
    const { Status, IdentityToken } = await client.call(systemAuth, { body: auth });
    const stored = IdentityToken ? { ...auth, password: "", identitytoken: IdentityToken } : auth;
    const isPlain = await storeCredentials(session.globals.config, config, key, stored);
    if (isPlain) {
      printError(
        `\nWARNING! Your credentials are stored unencrypted in '${session.globals.config}/config.json'.\n` +
          "Configure a credential helper to remove this warning.\n\n",
      );
    }
    if (Status) print(`${Status}\n`);
  },
});

async function ask(username: string, password: string): Promise<{ username: string; password: string }> {
  let name = username;
  if (name === "") {
    print("Username: ");
    name = readLine().trim();
    if (name === "") throw complain("Error: Non-null Username Required");
  }
  if (password !== "") return { username: name, password };
  print("Password: ");
  const secret = await readHidden();
  print("\n");
  if (secret === "") throw complain("Error: Password Required");
  return { username: name, password: secret };
}

/** Reads a line without showing it. */
async function readHidden(): Promise<string> {
  const { stdin } = process;
  stdin.setRawMode(true);
  let text = "";
  try {
    for await (const chunk of stdin as AsyncIterable<Uint8Array>) {
      for (const char of Buffer.from(chunk).toString()) {
        if (char === "\r" || char === "\n" || char === "\u0004") return text;
        if (char === "\u0003") throw complain("");
        text = char === "\u007f" || char === "\b" ? text.slice(0, -1) : text + char;
      }
    }
    return text;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
  }
}
