// Certificates and keys for receivers behind TLS, from the files that the options name.
import { readFile } from "node:fs/promises";

export interface TlsSettings {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized: boolean;
}

/** Reads the files; fails as the file system does. */
export async function loadTls(names: {
  caFile: string | undefined;
  certFile: string | undefined;
  keyFile: string | undefined;
  skipsVerification: boolean;
}): Promise<TlsSettings> {
  const read = async (name: string | undefined): Promise<Buffer | undefined> =>
    name === undefined || name === "" ? undefined : readFile(name);
  const [ca, cert, key] = await Promise.all([read(names.caFile), read(names.certFile), read(names.keyFile)]);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    rejectUnauthorized: !names.skipsVerification,
  };
}
