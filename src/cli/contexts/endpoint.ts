// The value of `--docker`: how the daemon is reached, and the certificates for it. Checked as far as it can be without the
// daemon, with Docker's texts.

import { X509Certificate, createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { sshUrlFlaw } from "../../api/ssh.ts";
import { Fault, messageOf } from "../../lib/errors.ts";
import { goBool } from "../../lib/units/go-scalar.ts";
import { describeFailure } from "../failure.ts";
import { errnoText } from "../options/env.ts";
import type { ContextMeta, DockerEndpoint } from "./meta.ts";

/** What may be said in `--docker`, for the help pages. */
export const ENDPOINT_HELP = `Docker endpoint config:

NAME                DESCRIPTION
from                Copy named context's Docker endpoint configuration
host                Docker endpoint on which to connect
ca                  Trust certs signed only by this CA
cert                Path to TLS certificate file
key                 Path to TLS key file
skip-tls-verify     Skip TLS certificate validation`;

const KEYS = ["from", "host", "ca", "cert", "key", "skip-tls-verify"];

export interface EndpointConfig {
  readonly endpoint: DockerEndpoint;
  /** PEM files by name. */
  readonly tls: ReadonlyMap<string, Uint8Array>;
}

/** Returns the endpoint that `values` describe; `find` returns a context to copy from. Throws a Fault. */
export function readEndpoint(
  values: Readonly<Record<string, string>>,
  find: (name: string) => ContextMeta,
): EndpointConfig {
  try {
    return readValues(values, find);
  } catch (error) {
    throw refuse(`unable to create docker endpoint config: ${describeFailure(error)}`);
  }
}

function readValues(
  values: Readonly<Record<string, string>>,
  find: (name: string) => ContextMeta,
): EndpointConfig {
  const unknown = Object.keys(values).filter((key) => !KEYS.includes(key));
  if (unknown.length > 0) throw refuse(unknown.map((key) => `unrecognized config key: ${key}`).join("\n"));
  const { from, host = "", ca = "", cert = "", key = "" } = values;
  if (from !== undefined) {
    const { docker } = find(from).Endpoints;
    if (docker === undefined) throw refuse(`unable to get endpoint from context ${JSON.stringify(from)}`);
    // compat: the certificates stay behind.
    return { endpoint: docker, tls: new Map() };
  }
  const tls = readPemFiles({ "ca.pem": ca, "cert.pem": cert, "key.pem": key });
  const skip = values["skip-tls-verify"] ?? "false";
  const SkipTLSVerify = goBool(skip);
  if (SkipTLSVerify === null)
    throw refuse(`skip-tls-verify: parsing ${JSON.stringify(skip)}: invalid syntax`);
  if (host !== "") checkHost(host, tls);
  return { endpoint: { ...(host === "" ? {} : { Host: host }), SkipTLSVerify }, tls };
}

function readPemFiles(paths: Readonly<Record<string, string>>): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const [name, path] of Object.entries(paths)) {
    if (path === "") continue;
    try {
      files.set(name, readFileSync(path));
    } catch (error) {
      const verb = (error as NodeJS.ErrnoException).code === "EISDIR" ? "read" : "open";
      throw refuse(`${verb} ${path}: ${errnoText(error)}`);
    }
  }
  return files;
}

function checkHost(host: string, tls: ReadonlyMap<string, Uint8Array>): void {
  const [, scheme = "", address = ""] = /^(.*?):\/\/(.*)$/s.exec(host) ?? [];
  const invalid = (why: string) => refuse(`invalid docker endpoint options: ${why}`);
  if (scheme === "ssh") {
    const why = sshUrlFlaw(host);
    if (why !== undefined) throw invalid(`ssh host connection is not valid: invalid SSH URL: ${why}`);
    return;
  }
  if (!["unix", "npipe", "fd"].includes(scheme)) {
    const why = checkTls(tls);
    if (why !== undefined) throw invalid(why);
  }
  const unusable = (why: string) => refuse(`unable to apply docker endpoint options: ${why}`);
  if (scheme === "") throw unusable(`unable to parse docker host \`${host}\``);
  if (scheme === "npipe") throw unusable("protocol not available");
  if (scheme === "tcp" && !URL.canParse(`http://${address}`))
    throw unusable(`parse ${JSON.stringify(host)}: invalid address`);
}

/** Says what is wrong with the certificates. */
function checkTls(tls: ReadonlyMap<string, Uint8Array>): string | undefined {
  const text = (name: string) => {
    const bytes = tls.get(name);
    return bytes === undefined ? undefined : Buffer.from(bytes).toString("latin1");
  };
  const ca = text("ca.pem");
  if (ca !== undefined && parseCertificate(ca) === undefined)
    return "failed to retrieve context tls info: ca.pem seems invalid";
  const [cert, key] = [text("cert.pem"), text("key.pem")];
  if (cert === undefined || key === undefined) return undefined;
  if (!/-----BEGIN [^-]+-----/.test(key)) return "no valid private key found";
  if (/ENCRYPTED/.test(key))
    return "private key is encrypted - support for encrypted private keys has been removed, see https://docs.docker.com/go/deprecated/";
  const why = checkPair(cert, key);
  return why === undefined ? undefined : `failed to retrieve context tls info: tls: ${why}`;
}

function checkPair(certPem: string, keyPem: string): string | undefined {
  const isKey = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/;
  const isCertificate = /-----BEGIN CERTIFICATE-----/;
  if (!isCertificate.test(certPem))
    return isKey.test(certPem)
      ? "failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched"
      : "failed to find any PEM data in certificate input";
  if (!isKey.test(keyPem))
    return isCertificate.test(keyPem)
      ? "found a certificate rather than a key in the PEM for the private key"
      : "failed to find any PEM data in key input";
  const certificate = parseCertificate(certPem);
  if (certificate === undefined) return "failed to parse certificate";
  let key: KeyObject;
  try {
    key = createPrivateKey(keyPem);
  } catch (error) {
    return `failed to parse private key: ${messageOf(error)}`;
  }
  return certificate.checkPrivateKey(key) ? undefined : "private key does not match public key";
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined; // ignored: the caller says what a missing certificate means
  }
}

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "context.endpoint" });
}
