// TLS to a daemon, with a client certificate where there is one.

import { isIP, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { Fault } from "../errors.ts";
import type { TlsClient } from "./connect.ts";

/** Begins a connection; `secureConnect` follows, or `error`: a Fault(unavailable, "http.tls") where certificates are to blame. */
export function connectTls(
  endpoint: { readonly host: string; readonly port: number; readonly tls?: TlsClient | undefined },
  /** The connection to be used, when there is one already. */
  through?: Socket,
): TLSSocket {
  const { ca, cert, key, skipVerify = false } = endpoint.tls ?? {};
  const socket = connect({
    ...(through === undefined ? {} : { socket: through }),
    host: endpoint.host,
    port: endpoint.port,
    allowHalfOpen: true,
    // An address has no server name; it is checked against the certificate all the same.
    servername: isIP(endpoint.host) === 0 ? endpoint.host : "",
    ALPNProtocols: ["http/1.1"],
    minVersion: "TLSv1.2",
    rejectUnauthorized: !skipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  } as object);
  const emit = socket.emit.bind(socket);
  socket.emit = (event: string | symbol, ...args: unknown[]) =>
    event === "error" ? emit(event, explain(args[0] as NodeJS.ErrnoException)) : emit(event, ...args);
  return socket;
}

/** What Go's clients say of the same, where people know it. */
const SENTENCES: readonly [code: RegExp, text: string][] = [
  [/SELF_SIGNED|UNABLE_TO|LEAF_SIGNATURE|ISSUER/, "x509: certificate signed by unknown authority"],
  [/ALTNAME/, "x509: the certificate is valid for other names"],
  [/EXPIRED|NOT_YET_VALID/, "x509: certificate has expired or is not yet valid"],
];

function explain(error: NodeJS.ErrnoException): Error {
  const code = error.code ?? "";
  const known = SENTENCES.find(([pattern]) => pattern.test(code));
  if (known !== undefined)
    return fault(`tls: failed to verify certificate: ${known[1]} (${error.message})`, error);
  if (/CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|ALERT/.test(code))
    return fault(
      `remote error: tls: ${code
        .replace(/^ERR_SSL_(TLSV1_|SSLV3_)?ALERT_/, "")
        .toLowerCase()
        .replaceAll("_", " ")}`,
      error,
    );
  if (/WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL/.test(code))
    return fault(
      "tls: the server does not speak TLS (leave --tls and --tlsverify out, or use its TLS port)",
      error,
    );
  return error;
}

function fault(message: string, cause: Error): Fault {
  return new Fault("unavailable", message, { code: "http.tls", cause });
}
