// The daemon's log: one line per message on standard error, in logfmt as dockerd's, so that journald and people can read it.

const LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LEVELS)[number];
export type Log = (level: LogLevel, message: string) => void;

/** Returns a log that drops what is below `lowest`, which may change meanwhile. */
export function createLog(
  lowest: () => string,
  format: "text" | "json" = "text",
  write: (line: string) => void = (line) => void process.stderr.write(line),
): Log {
  return (level, message) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(lowest() as LogLevel)) return;
    const time = new Date().toISOString();
    if (format === "json") write(`${JSON.stringify({ level, msg: message, time })}\n`);
    else write(`time="${time}" level=${level} msg=${JSON.stringify(message)}\n`);
  };
}
