// The Prometheus endpoint: GET /metrics on an address of its own, in the text format (version 0.0.4). Names are Docker's where it has the
// same number.

import { createServer } from "node:http";
import type { Metric } from "../engine/system/metrics.ts";
import { Fault, messageOf } from "../lib/errors.ts";

/** Returns the page. */
export function metricsText(metrics: readonly Metric[]): string {
  return metrics
    .map(({ name, help, type, samples }) => {
      const lines = samples.map(({ labels = {}, value }) => `${name}${labelText(labels)} ${value}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
    })
    .join("");
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escape(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** Starts to answer on `host:port`; closed with what is returned. Throws Fault(system, "listen.failed"). */
export async function serveMetrics(
  address: string,
  collect: () => readonly Metric[],
): Promise<{ readonly address: string; close(): void }> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "") || "0.0.0.0";
  const server = createServer((req, res) => {
    if (req.method !== "GET" || req.url?.split("?", 1)[0] !== "/metrics")
      return void res.writeHead(404).end("404 page not found\n");
    res.writeHead(200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" });
    res.end(metricsText(collect()));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new Fault("system", `cannot serve metrics on ${address}: ${messageOf(error)}`, {
          code: "listen.failed",
          cause: error,
        }),
      ),
    );
    server.listen(Number(address.slice(colon + 1)), host, resolve);
  });
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : 0;
  return { address: `${host.includes(":") ? `[${host}]` : host}:${port}`, close: () => void server.close() };
}
