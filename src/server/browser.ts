// Web pages and the API. A page that somebody looks at can have the browser send requests to any address that the browser reaches: to
// 127.0.0.1 (cross-site request forgery), or to its own name after that was made to stand for 127.0.0.1 (DNS rebinding). Unix sockets are out
// of a browser's reach. Programs send no Origin, and a browser sends one with every request that changes something; what it reads under a name
// is refused as well, since that name may be the page's. compat: Docker refuses neither.
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { Fault } from "../lib/errors.ts";

/** PowerShell calls itself Mozilla, too. */
const BROWSER = /^Mozilla\/(?!.*PowerShell)/;

/** Throws Fault(forbidden) for a request that a web page may be behind. */
export function refuseWebPages(headers: IncomingHttpHeaders): void {
  const { origin, host = "", "user-agent": agent = "" } = headers;
  if (origin === undefined && !(BROWSER.test(agent) && isForeignName(host))) return;
  throw new Fault(
    "forbidden",
    "requests of web pages are refused: use a client, or a proxy in front of the unix socket",
    {
      code: "request.from-page",
    },
  );
}

/** Whether a Host header has a name that anybody's name server may answer for. */
function isForeignName(host: string): boolean {
  const name = host.replace(/:\d*$/, "").replace(/^\[|\]$/g, "");
  return isIP(name) === 0 && name !== "localhost" && !name.endsWith(".localhost");
}
