// The daemon's HTTP server as a whole; main's wiring makes one per daemon.

import type { Ports } from "./ports.ts";

export interface ServerOptions {
  readonly ports: Ports;
  /** Product version for the Server header and /version's fallback. */
  readonly productVersion: string;
  /** Writes one log line. */
  readonly log?: (level: "debug" | "info" | "warn" | "error", message: string) => void;
  /** Value of the Builder-Version header: "1" classic, "2" BuildKit. */
  readonly builderVersion?: "1" | "2";
  readonly isExperimental?: boolean;
}

export interface Server {
  /** Starts to accept on `unix:///path` or `tcp://host:port`; returns the address in force (a chosen port included). */
  listen(address: string): Promise<string>;
  /** Stops accepting, aborts what runs, closes every connection and removes its unix sockets. */
  close(): Promise<void>;
}
