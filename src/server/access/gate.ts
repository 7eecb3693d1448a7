// What stands between a request that has been read and the operation that will run it: access policies of sockets, authorisation
// plugins, the audit log. A gate sees the parsed, typed input that the operation gets, and nothing is read again afterwards, so that
// what is judged is what runs.

import type { IncomingMessage } from "node:http";
import type { OperationSpec } from "../../api/contract.ts";

/** A request before it runs. */
export interface GatedRequest {
  readonly operation: OperationSpec;
  /** Parameters and JSON body as the operation will get them; a gate may narrow them. */
  readonly input: Record<string, unknown>;
  /** The JSON body as it came, whole; "" for none and for a stream of bytes. */
  readonly bodyText: string;
  readonly req: IncomingMessage;
  /** The address of the daemon's that it came to. */
  readonly socket: string;
}

/** An answer before it is sent; of a stream, after it has ended and without its body. */
export interface GatedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Gate {
  /** Whether it has nobody to ask: it admits everything, and looks at no answer. */
  readonly isIdle?: boolean;
  /** Returns when the request may run. Throws Fault(forbidden), or whatever the caller is to see. */
  admit(request: GatedRequest): Promise<void> | void;
  /** Looks at the answer of an operation that has been done; a Fault goes to the client in its stead. Not asked for hijacked connections. */
  review?(request: GatedRequest, answer: GatedAnswer): Promise<void>;
}

/** The name in the client's certificate, "" without one. */
export function tlsNameOf(req: IncomingMessage): string {
  const certificate = peerCertificate(req);
  const name = certificate?.subject?.CN;
  return typeof name === "string" ? name : "";
}

/** What of a TLS certificate is used here. */
export interface PeerCertificate {
  readonly subject?: { readonly CN?: string };
  /** DER. */
  readonly raw?: Uint8Array;
}

export function peerCertificate(req: IncomingMessage): PeerCertificate | undefined {
  const socket = req.socket as unknown as { getPeerCertificate?(): PeerCertificate | null };
  const certificate = socket.getPeerCertificate?.();
  return certificate?.raw === undefined ? undefined : certificate;
}
