// What a build may ask an ssh agent (draft-ietf-sshm-ssh-agent): which keys there are, and a signature. Nothing else: keys are
// neither added nor removed, the agent is not locked, extensions are refused.

import { sign } from "node:crypto";
import { Fault } from "../errors.ts";
import type { SshKey } from "./private-key.ts";
import { SshReader, sshNumber, sshString, sshUint32 } from "./wire.ts";

const REQUEST = { identities: 11, sign: 13, extension: 27 } as const;
const ANSWER = { failure: 5, identities: 12, signature: 14, extensionFailure: 28 } as const;
/** How an RSA key is to sign; without a flag it is SHA-1. */
const RSA_FLAGS = { sha256: 2, sha512: 4 } as const;
/** compat: the largest message that OpenSSH takes. */
const MAX_MESSAGE_BYTES = 256 * 1024;

/** Takes a message of the protocol without its length, returns the one that answers it. */
export type SshAgent = (request: Uint8Array) => Promise<Uint8Array>;

/** Returns the agent as one that is only asked for keys and signatures. */
export function readOnly(agent: SshAgent): SshAgent {
  return async (request) => {
    if (request[0] === REQUEST.identities || request[0] === REQUEST.sign) return agent(request);
    return Buffer.of(request[0] === REQUEST.extension ? ANSWER.extensionFailure : ANSWER.failure);
  };
}

function ecdsaSignature(key: SshKey, hash: string, data: Uint8Array): Buffer {
  const both = sign(hash, data, { key: key.secret, dsaEncoding: "ieee-p1363" });
  const [r, s] = [both.subarray(0, both.length / 2), both.subarray(both.length / 2)];
  return Buffer.concat([sshString(key.type), sshString(Buffer.concat([sshNumber(r), sshNumber(s)]))]);
}

function rsaSignature(key: SshKey, flags: number, data: Uint8Array): Buffer | undefined {
  const plain = (name: string, hash: string): Buffer =>
    Buffer.concat([sshString(name), sshString(sign(hash, data, key.secret))]);
  if (flags === 0) return plain("ssh-rsa", "sha1");
  if (flags === RSA_FLAGS.sha256) return plain("rsa-sha2-256", "sha256");
  return flags === RSA_FLAGS.sha512 ? plain("rsa-sha2-512", "sha512") : undefined;
}

/** Returns a signature with the name of its algorithm; undefined for flags that mean nothing to the key. */
function signatureOf(key: SshKey, flags: number, data: Uint8Array): Buffer | undefined {
  if (key.type === "ssh-rsa") return rsaSignature(key, flags, data);
  if (flags !== 0) return undefined;
  switch (key.type) {
    case "ssh-ed25519":
      return Buffer.concat([sshString(key.type), sshString(sign(null, data, key.secret))]);
    case "ecdsa-sha2-nistp256":
      return ecdsaSignature(key, "sha256", data);
    case "ecdsa-sha2-nistp384":
      return ecdsaSignature(key, "sha384", data);
    case "ecdsa-sha2-nistp521":
      return ecdsaSignature(key, "sha512", data);
    default:
      return undefined;
  }
}

/** Returns an agent that holds these keys. What it cannot do or read it answers with the protocol's failure. */
export function agentOf(keys: readonly SshKey[]): SshAgent {
  const identities = keys.flatMap((key) => [sshString(key.publicBlob), sshString("")]);
  const answer = (request: Uint8Array): Buffer | undefined => {
    if (request[0] === REQUEST.identities)
      return Buffer.concat([Buffer.of(ANSWER.identities), sshUint32(keys.length), ...identities]);
    const reader = new SshReader(request.subarray(1));
    const [blob, data, flags] = [reader.string(), reader.string(), reader.uint32()];
    const key = keys.find(({ publicBlob }) => publicBlob.equals(blob));
    const signature = key && signatureOf(key, flags, data);
    return signature && Buffer.concat([Buffer.of(ANSWER.signature), sshString(signature)]);
  };
  return readOnly(async (request) => {
    try {
      return answer(request) ?? Buffer.of(ANSWER.failure);
    } catch (error) {
      if (error instanceof Fault) return Buffer.of(ANSWER.failure);
      throw error;
    }
  });
}

/** Yields the messages of a connection, without their lengths. Throws Fault(invalidParameter, "ssh.message-size"). */
export async function* agentMessages(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4) {
      const length = rest.readUInt32BE();
      if (length === 0 || length > MAX_MESSAGE_BYTES)
        throw new Fault("invalidParameter", `an ssh agent's message of ${length} bytes`, {
          code: "ssh.message-size",
        });
      if (rest.length < 4 + length) break;
      yield rest.subarray(4, 4 + length);
      rest = rest.subarray(4 + length);
    }
  }
}

/** Returns a message with its length in front. */
export const agentFrame = (message: Uint8Array): Uint8Array => sshString(message);
