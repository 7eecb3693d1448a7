// `--add-host` as the API has it: `name:address` or `name=address`.
import { isIP } from "node:net";
import { Fault } from "../../../lib/errors.ts";

/** What `--add-host name:host-gateway` stands for. */
export const HOST_GATEWAY = "host-gateway";

export interface ExtraHost {
  readonly name: string;
  /** An address, or HOST_GATEWAY. */
  readonly address: string;
}

/** Splits one; the address may be in brackets. */
export function parseExtraHost(text: string): ExtraHost {
  const equals = text.indexOf("=");
  const at = equals < 0 ? text.indexOf(":") : equals;
  const address = text.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
  return { name: at < 0 ? "" : text.slice(0, at), address: at < 0 ? "" : address };
}

/** Refuses what is no line for /etc/hosts, with Docker's text. */
export function checkExtraHost(text: string): void {
  const { name, address } = parseExtraHost(text);
  if (name === "") throw invalid(`bad format for add-host: ${JSON.stringify(text)}`);
  if (address !== HOST_GATEWAY && isIP(address) === 0)
    throw invalid(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  // Docker lets a line feed through, and with it lines that nobody sees in the request.
  if ([...name].some((c) => c < " ")) throw invalid(`bad format for add-host: ${JSON.stringify(text)}`);
}

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "container.add-host" });
}
