// The sessions that clients have open, by their ids. A build that names a session waits for it for a while: the client
// opens both at the same time.
import type { Duplex } from "node:stream";
import { Session } from "../../build/session/session.ts";
import { Fault } from "../../lib/errors.ts";

/** How long a build waits for the session that it names. */
const WAIT_MS = 5_000;

export interface SessionHello {
  readonly id: string;
  readonly sharedKey: string;
  readonly methods: readonly string[];
}

/** Refuses a connection that is not to become one of gRPC; `upgrade` is the protocol that the request asks for. Throws Fault invalidParameter. */
export function checkUpgrade(upgrade: string | undefined): void {
  if (upgrade === "h2c") return;
  const why = upgrade ? `protocol ${upgrade} not supported` : "no upgrade proto in request";
  throw new Fault("invalidParameter", why, { code: "session.upgrade" });
}

export class SessionTable {
  readonly #open = new Map<string, Session>();
  readonly #waiting = new Map<string, ((session: Session) => void)[]>();

  /** Refuses what cannot become a session. Throws Fault invalidParameter. */
  check({ id }: SessionHello): void {
    if (id === "") throw new Fault("invalidParameter", "a session needs an id", { code: "session.id" });
    if (this.#open.has(id))
      throw new Fault("conflict", `session ${id} already exists`, { code: "session.exists" });
  }

  /** Opens a session on a connection; resolves when it is closed. */
  async serve(connection: Duplex, hello: SessionHello): Promise<void> {
    const session = new Session(connection, hello);
    this.#open.set(hello.id, session);
    for (const resolve of this.#waiting.get(hello.id) ?? []) resolve(session);
    this.#waiting.delete(hello.id);
    await session.closed;
    this.#open.delete(hello.id);
  }

  /** Finds an open session. Throws Fault notFound when none appears. */
  async find(id: string, signal: AbortSignal): Promise<Session> {
    const open = this.#open.get(id);
    if (open !== undefined) return open;
    return new Promise((resolve, reject) => {
      const list = this.#waiting.get(id) ?? [];
      const done = (settle: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const onAbort = (): void => done(() => reject(signal.reason as Error));
      const timer = setTimeout(
        () =>
          done(() =>
            reject(new Fault("notFound", `no active session for ${id}`, { code: "session.not-found" })),
          ),
        WAIT_MS,
      );
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.set(id, [...list, (session) => done(() => resolve(session))]);
    });
  }

  close(): void {
    for (const session of this.#open.values()) session.close();
  }
}
