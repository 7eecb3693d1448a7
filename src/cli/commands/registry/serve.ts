import { readFile } from "node:fs/promises";
import { Fault } from "../../../lib/errors.ts";
import { bool, custom, string } from "../../../lib/flags/spec.ts";
import { openRegistry, type RegistryOptions } from "../../../registry/server/open.ts";
import { parseDuration } from "../../../lib/units/duration.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { print } from "../../output.ts";

const WEEK_NANOS = 7 * 24 * 3600 * 1e9;

export const command = defineCommand({
  operands: "[OPTIONS]",
  description:
    "Runs a registry (OCI distribution specification 1.1) in the foreground until it is told to end.\n\n" +
    "With --proxy it is a cache of another registry: what is pulled is fetched from there once and kept.",
  arity: noArgs,
  flags: {
    listen: string("Address to listen on", { initial: "127.0.0.1:5000" }),
    root: string("Directory for everything that is pushed", { initial: "/var/lib/berth-registry" }),
    htpasswd: string("File with names and bcrypt hashes (htpasswd -B) of who may use it"),
    realm: string("What the registry calls itself when it asks for a password", {
      initial: "Berth Registry",
    }),
    tlscert: string("Certificate of the server; with --tlskey it speaks HTTPS"),
    tlskey: string("Key of the certificate"),
    tlscacert: string("Authority whose clients are let in; everybody when empty"),
    "read-only": bool("Refuse pushes and deletions"),
    proxy: string("Registry to be the cache of: host[:port], a URL, or docker.io"),
    "proxy-username": string("Name to log in there with"),
    "proxy-password-file": string("File with the password for it"),
    "proxy-insecure": bool("Take any certificate of it, or plain HTTP"),
    "proxy-keep": custom("duration", "How long a cache keeps what it has", WEEK_NANOS, parseDuration, {
      defaultText: "168h",
    }),
  },
  async run(_session, { flags }) {
    const [cert, key, clientCa, password] = await Promise.all(
      [flags.tlscert, flags.tlskey, flags.tlscacert, flags["proxy-password-file"]].map(readText),
    );
    if ((cert === undefined) !== (key === undefined))
      throw new Fault("invalidParameter", "--tlscert and --tlskey go together", { code: "cli.usage" });
    const log = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);
    const options: RegistryOptions = {
      root: flags.root,
      listen: parseListen(flags.listen),
      realm: flags.realm.replaceAll('"', ""),
      htpasswd: flags.htpasswd || undefined,
      isReadOnly: flags["read-only"],
      tls: cert === undefined || key === undefined ? undefined : { cert, key, clientCa },
      upstream: upstreamOf(flags, password?.replace(/\r?\n$/, "")),
      keepMs: flags["proxy-keep"] / 1e6,
      log,
    };
    await using registry = await openRegistry(options);
    print(`listening on ${registry.address}\n`);
    await new Promise<void>((resolve) => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => resolve());
    });
  },
});

async function readText(path: string): Promise<string | undefined> {
  if (path === "") return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new Fault("invalidParameter", `cannot read ${path}`, { code: "cli.file", cause });
  }
}

function parseListen(text: string): { host: string; port: number } {
  const m = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(m?.[3]);
  if (m === null || port > 65535)
    throw new Fault("invalidParameter", `invalid address ${text}: want host:port`, { code: "cli.usage" });
  return { host: m[1] ?? (m[2] || "0.0.0.0"), port };
}

function upstreamOf(
  flags: {
    readonly proxy: string;
    readonly "proxy-username": string;
    readonly "proxy-insecure": boolean;
  },
  password: string | undefined,
): RegistryOptions["upstream"] {
  if (flags.proxy === "") return undefined;
  const username = flags["proxy-username"];
  // Docker Hub goes by many names.
  const isHub = /^(https:\/\/)?(registry-1\.|index\.)?docker\.io\/?$/.test(flags.proxy);
  return {
    address: isHub ? "docker.io" : flags.proxy,
    isInsecure: flags["proxy-insecure"],
    ...(username === "" ? {} : { auth: { username, password: password ?? "" } }),
  };
}
