// Certificates for single registries, laid out as Docker's /etc/docker/certs.d: in a directory by the registry's host[:port], `*.crt` are
// authorities, and `x.cert` with `x.key` is a certificate to show.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { Fault } from "../lib/errors.ts";

/** Where Docker's users have theirs. */
export const CERTS_DIR = "/etc/docker/certs.d";

/** PEM texts. */
export interface RegistryCertificates {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/** Returns the certificates for `host` out of the first of `dirs` that has some. Throws Fault invalidParameter for half a pair. */
export async function loadCertificates(dirs: readonly string[], host: string): Promise<RegistryCertificates> {
  // What is no host name must not become another directory.
  if (!/^[A-Za-z0-9[\].:_-]+$/.test(host) || host.startsWith(".")) return {};
  for (const dir of dirs) {
    const found = await loadFrom(join(dir, host));
    if (found !== undefined) return found;
  }
  return {};
}

async function loadFrom(dir: string): Promise<RegistryCertificates | undefined> {
  const names = await readdir(dir).catch(() => undefined); // ignored: most registries have none
  if (names === undefined) return undefined;
  const text = (name: string): Promise<string> => readFile(join(dir, name), "utf8");
  const authorities = await Promise.all(names.filter((n) => n.endsWith(".crt")).map(text));
  const pairs = names.filter((n) => n.endsWith(".cert")).map((n) => n.slice(0, -".cert".length));
  for (const key of names.filter((n) => n.endsWith(".key")))
    if (!pairs.includes(key.slice(0, -".key".length)))
      throw new Fault("invalidParameter", `missing client certificate for key ${key} in ${dir}`, {
        code: "registry.certificates",
      });
  const [pair] = pairs;
  if (pair !== undefined && !names.includes(`${pair}.key`))
    throw new Fault(
      "invalidParameter",
      `missing key ${pair}.key for client certificate ${pair}.cert in ${dir}`,
      {
        code: "registry.certificates",
      },
    );
  return {
    // They are trusted beside those of the system, as Docker does.
    ...(authorities.length === 0 ? {} : { ca: [...rootCertificates, ...authorities] }),
    ...(pair === undefined ? {} : { cert: await text(`${pair}.cert`), key: await text(`${pair}.key`) }),
  };
}
