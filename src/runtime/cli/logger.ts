// Messages of the runtime: logrus' two forms, because containerd, conmon and podman read the file that `--log` names. Without
// one they go to stderr. compat: with one, the error that ends the command goes to stderr as well, as a bare line.

import { appendFileSync, writeSync } from "node:fs";
import { goJson } from "../../lib/json/go-json.ts";

export type LogLevel = "debug" | "info" | "warning" | "error";

export interface LoggerOptions {
  /** Absolute path of the log file, "" for stderr. */
  file: string;
  format: "text" | "json";
  isDebug: boolean;
}

const STDERR = 2;

export class Logger {
  readonly #options: LoggerOptions;

  constructor(options: LoggerOptions) {
    this.#options = options;
  }

  get isDebug(): boolean {
    return this.#options.isDebug;
  }

  debug(message: string): void {
    if (this.isDebug) this.#write("debug", message);
  }

  warn(message: string): void {
    this.#write("warning", message);
  }

  /** The end of a command that failed. */
  fatal(message: string): void {
    this.#write("error", message);
    if (this.#options.file !== "") writeSync(STDERR, `${message}\n`);
  }

  #write(level: LogLevel, message: string): void {
    const line = formatLine(this.#options.format, level, message, utcNow());
    if (this.#options.file === "") writeSync(STDERR, line);
    else appendFileSync(this.#options.file, line, { mode: 0o644 });
  }
}

/** Returns one line of the log. */
export function formatLine(
  format: LoggerOptions["format"],
  level: LogLevel,
  message: string,
  time: string,
): string {
  if (format === "json") return `${goJson({ level, msg: message, time })}\n`;
  const text = /^[A-Za-z0-9\-._/@^+]+$/.test(message) ? message : JSON.stringify(message);
  return `time="${time}" level=${level} msg=${text}\n`;
}

/** In UTC: the local form, which logrus prints, takes milliseconds for reading the time zone. */
function utcNow(): string {
  return `${new Date().toISOString().slice(0, -5)}Z`;
}
