// Private keys from files: PEM (PKCS #1, SEC 1, PKCS #8) is read by the runtime, the format of OpenSSH (its PROTOCOL.key) here.

import { createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from "node:crypto";
import { Fault } from "../errors.ts";
import { table } from "../table.ts";
import { SshReader, sshNumber, sshString, withoutZeros } from "./wire.ts";

/** A private key with what the protocol calls its public half. */
export interface SshKey {
  /** Name of the key's algorithm, such as `ssh-ed25519`. */
  readonly type: string;
  readonly publicBlob: Buffer;
  readonly secret: KeyObject;
}

type JsonWebKey = webcrypto.JsonWebKey;

interface Curve {
  readonly ssh: string;
  readonly jwk: string;
  readonly bytes: number;
}

const CURVES: readonly Curve[] = [
  { ssh: "nistp256", jwk: "P-256", bytes: 32 },
  { ssh: "nistp384", jwk: "P-384", bytes: 48 },
  { ssh: "nistp521", jwk: "P-521", bytes: 66 },
];
const OPENSSH_MAGIC = "openssh-key-v1\0";
const OPENSSH_PEM = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]*)-----END OPENSSH PRIVATE KEY-----/;

const invalid = (problem: string, message: string): Fault =>
  new Fault("invalidParameter", `ssh: ${message}`, { code: `ssh.${problem}` });
/** compat: the words of Docker's client. */
const isEncrypted = (): Fault => invalid("encrypted", "this private key is passphrase protected");
const isUnsupported = (type: string): Fault =>
  invalid("key-type", `unsupported key type ${JSON.stringify(type)}`);

const encoded = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const decoded = (text: string | undefined): Buffer => Buffer.from(text ?? "", "base64url");

function curveOf(name: string, by: "ssh" | "jwk"): Curve {
  const curve = CURVES.find((known) => known[by] === name);
  if (curve === undefined) throw isUnsupported(`ecdsa-sha2-${name}`);
  return curve;
}

/** The number on so many bytes, which JWK wants. */
function padded(number: Uint8Array, bytes: number): Buffer {
  const significant = withoutZeros(number);
  if (significant.length > bytes) throw invalid("bad-key", "malformed private key");
  return Buffer.concat([Buffer.alloc(bytes - significant.length), significant]);
}

const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x0${Buffer.from(bytes).toString("hex")}`);

/** The private exponent for one of the primes, which SSH leaves to the reader. */
function exponentFor(prime: Uint8Array, d: Uint8Array): string {
  if (toNumber(prime) < 2n) throw invalid("bad-key", "malformed private key");
  const hex = (toNumber(d) % (toNumber(prime) - 1n)).toString(16);
  return encoded(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"));
}

function rsaFrom(reader: SshReader): JsonWebKey {
  const number = (): Uint8Array => withoutZeros(reader.string());
  const [n, e, d, qi, p, q] = [number(), number(), number(), number(), number(), number()] as const;
  const exponents = { dp: exponentFor(p, d), dq: exponentFor(q, d) };
  const numbers = {
    n: encoded(n),
    e: encoded(e),
    d: encoded(d),
    p: encoded(p),
    q: encoded(q),
    qi: encoded(qi),
  };
  return { kty: "RSA", ...numbers, ...exponents };
}

function ed25519From(reader: SshReader): JsonWebKey {
  const publicKey = reader.string();
  const seed = reader.string().subarray(0, 32);
  return { kty: "OKP", crv: "Ed25519", x: encoded(publicKey), d: encoded(seed) };
}

function ecdsaFrom(reader: SshReader): JsonWebKey {
  const { jwk, bytes } = curveOf(reader.text(), "ssh");
  const point = reader.string();
  // 4 says that both coordinates follow.
  if (point.length !== 1 + 2 * bytes || point[0] !== 4) throw invalid("bad-key", "malformed private key");
  const [x, y] = [point.subarray(1, 1 + bytes), point.subarray(1 + bytes)];
  const d = padded(reader.string(), bytes);
  return { kty: "EC", crv: jwk, x: encoded(x), y: encoded(y), d: encoded(d) };
}

const READERS = table<(reader: SshReader) => JsonWebKey>({
  "ssh-rsa": rsaFrom,
  "ssh-ed25519": ed25519From,
  "ecdsa-sha2-nistp256": ecdsaFrom,
  "ecdsa-sha2-nistp384": ecdsaFrom,
  "ecdsa-sha2-nistp521": ecdsaFrom,
});

function fromOpenssh(bytes: Buffer): KeyObject {
  const reader = new SshReader(bytes);
  if (reader.bytes(OPENSSH_MAGIC.length).toString("latin1") !== OPENSSH_MAGIC)
    throw invalid("bad-key", "invalid openssh private key format");
  const [cipher, derivation] = [reader.text(), reader.text()];
  reader.string(); // options of the derivation
  if (cipher !== "none" || derivation !== "none") throw isEncrypted();
  if (reader.uint32() !== 1) throw invalid("bad-key", "multi-key files are not supported");
  reader.string(); // the public key, which is also within the private part
  const secret = new SshReader(reader.string());
  if (secret.uint32() !== secret.uint32()) throw invalid("bad-key", "malformed private key");
  const type = secret.text();
  const read = READERS[type];
  if (read === undefined) throw isUnsupported(type);
  return createPrivateKey({ key: read(secret), format: "jwk" });
}

function fromPem(text: string): KeyObject {
  if (!/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)) throw invalid("no-key", "no key found");
  try {
    return createPrivateKey(text);
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_MISSING_PASSPHRASE") throw isEncrypted();
    throw invalid("bad-key", "malformed private key");
  }
}

function describe(secret: KeyObject): SshKey {
  const jwk = createPublicKey(secret).export({ format: "jwk" });
  const key = (type: string, ...fields: readonly Buffer[]): SshKey => ({
    type,
    secret,
    publicBlob: Buffer.concat([sshString(type), ...fields]),
  });
  switch (secret.asymmetricKeyType) {
    case "ed25519":
      return key("ssh-ed25519", sshString(decoded(jwk.x)));
    case "rsa":
      return key("ssh-rsa", sshNumber(decoded(jwk.e)), sshNumber(decoded(jwk.n)));
    case "ec": {
      const curve = curveOf(jwk.crv ?? "", "jwk").ssh;
      const point = Buffer.concat([Buffer.of(4), decoded(jwk.x), decoded(jwk.y)]);
      return key(`ecdsa-sha2-${curve}`, sshString(curve), sshString(point));
    }
    default:
      throw isUnsupported(secret.asymmetricKeyType ?? "unknown");
  }
}

/**
 * Reads a private key as it is in a file: RSA, Ed25519, or ECDSA on the curves that SSH knows.
 * Throws Fault(invalidParameter): `ssh.encrypted`, `ssh.no-key`, `ssh.key-type`, `ssh.bad-key`, `ssh.short`.
 */
export function parsePrivateKey(text: string): SshKey {
  const [, armoured] = OPENSSH_PEM.exec(text) ?? [];
  if (armoured === undefined) return describe(fromPem(text));
  try {
    return describe(fromOpenssh(Buffer.from(armoured, "base64")));
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw invalid("bad-key", "malformed private key");
  }
}
