// Interruptions of a command that runs until the user has enough.

/** Subscribes to Ctrl-C and SIGTERM, which do not end the program meanwhile; returns what unsubscribes. */
export function onInterrupt(handler: () => void): () => void {
  process.on("SIGINT", handler);
  process.on("SIGTERM", handler);
  return () => {
    process.off("SIGINT", handler);
    process.off("SIGTERM", handler);
  };
}
