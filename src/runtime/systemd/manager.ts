// systemd as the one who makes cgroups: its interface on the machine's or a user's bus (org.freedesktop.systemd1(5)). The manager's own socket
// comes first: it is there without a bus.

import { existsSync } from "node:fs";
import { Fault, messageOf } from "../../lib/errors.ts";
import { DbusConnection } from "../../lib/dbus/connection.ts";
import { type DbusValue, Variant } from "../../lib/dbus/value.ts";
import type { Property } from "./annotations.ts";

const NAME = "org.freedesktop.systemd1";
const PATH = "/org/freedesktop/systemd1";
const MANAGER = `${NAME}.Manager`;
const UNIT_EXISTS = `${NAME}.UnitExists`;
const NO_SUCH_UNIT = `${NAME}.NoSuchUnit`;
/** As long as runc waits. */
const PATIENCE_MS = 30_000;

interface Place {
  path: string;
  isBus: boolean;
}

/** Where the manager may be, as systemctl looks for it. */
function placesOf(isUser: boolean, env: Readonly<Record<string, string | undefined>>): Place[] {
  if (!isUser)
    return [
      { path: "/run/systemd/private", isBus: false },
      { path: "/run/dbus/system_bus_socket", isBus: true },
    ];
  const dir = env["XDG_RUNTIME_DIR"] ?? `/run/user/${process.getuid?.() ?? 0}`;
  const named = /(?:^|;)unix:path=([^,;]+)/.exec(env["DBUS_SESSION_BUS_ADDRESS"] ?? "")?.[1];
  return [
    { path: `${dir}/systemd/private`, isBus: false },
    ...(named === undefined ? [] : [{ path: named, isBus: true }]),
    { path: `${dir}/bus`, isBus: true },
  ];
}

/** Runs `body` with a connection to the manager. Throws Fault unavailable without one. */
export async function withManager<T>(
  isUser: boolean,
  body: (manager: SystemdManager) => Promise<T>,
): Promise<T> {
  using connection = await connect(
    placesOf(isUser, process.env).filter(({ path }) => existsSync(path)),
    isUser,
  );
  return await body(new SystemdManager(connection));
}

async function connect(places: readonly Place[], isUser: boolean): Promise<DbusConnection> {
  let why: unknown;
  for (const { path, isBus } of places) {
    try {
      const connection = await DbusConnection.open(path);
      if (isBus) await join(connection);
      return connection;
    } catch (error) {
      why = error; // ignored when another place answers
    }
  }
  const whose = isUser
    ? "the user's systemd (is there a session, and the package dbus-user-session?)"
    : "systemd";
  throw new Fault(
    "unavailable",
    `cannot speak with ${whose}: ${why ? messageOf(why) : "there is no socket of its"}`,
    {
      code: "runtime.systemd-unreachable",
      cause: why,
    },
  );
}

/** On a bus signals have to be asked for; the manager's own socket carries them all. */
async function join(connection: DbusConnection): Promise<void> {
  await connection.hello();
  await connection.call({
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "AddMatch",
    signature: "s",
    body: [`type='signal',interface='${MANAGER}',member='JobRemoved',path='${PATH}'`],
  });
  await call(connection, "Subscribe", "", []);
}

function call(
  connection: DbusConnection,
  member: string,
  signature: string,
  body: readonly DbusValue[],
): Promise<readonly DbusValue[]> {
  return connection.call({ destination: NAME, path: PATH, interface: MANAGER, member, signature, body });
}

const asArray = (properties: readonly Property[]): DbusValue[] =>
  properties.map(([name, value]) => [name, value]);

export class SystemdManager {
  readonly #connection: DbusConnection;

  constructor(connection: DbusConnection) {
    this.#connection = connection;
  }

  /** Makes a unit that is gone with its processes. Throws Fault when it cannot be. */
  async startTransient(unit: string, properties: readonly Property[]): Promise<void> {
    const start = () =>
      this.#job("StartTransientUnit", "ssa(sv)a(sa(sv))", [unit, "replace", asArray(properties), []]);
    let result: string;
    try {
      result = await start();
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== UNIT_EXISTS) throw this.#cannot("start", unit, error);
      await this.#resetFailed(unit); // one of that name has failed before: systemd keeps it until told
      result = await start().catch((again: unknown) => Promise.reject(this.#cannot("start", unit, again)));
    }
    if (result === "done") return;
    await this.#resetFailed(unit);
    throw this.#cannot("start", unit, result);
  }

  /** Stops it and kills what is in it; one that is gone is fine. */
  async stop(unit: string): Promise<void> {
    try {
      await this.#job("StopUnit", "ss", [unit, "replace"]);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== NO_SUCH_UNIT) throw this.#cannot("stop", unit, error);
    }
    await this.#resetFailed(unit);
  }

  /** Until the machine ends. */
  async setProperties(unit: string, properties: readonly Property[]): Promise<void> {
    try {
      await call(this.#connection, "SetUnitProperties", "sba(sv)", [unit, true, asArray(properties)]);
    } catch (error) {
      throw this.#cannot("change", unit, error);
    }
  }

  /** 252, of `252.39-1~deb12u2`. */
  async version(): Promise<number> {
    return Number.parseInt((await this.#property("Version")).replace(/^v/, ""), 10);
  }

  /** The manager's own cgroup; "" is the root. */
  controlGroup(): Promise<string> {
    return this.#property("ControlGroup");
  }

  /** A failed unit is kept by its name until somebody has seen it. */
  async #resetFailed(unit: string): Promise<void> {
    await call(this.#connection, "ResetFailedUnit", "s", [unit]).catch(() => undefined); // ignored: it has not failed
  }

  async #property(name: string): Promise<string> {
    const [value] = await this.#connection.call({
      destination: NAME,
      path: PATH,
      interface: "org.freedesktop.DBus.Properties",
      member: "Get",
      signature: "ss",
      body: [MANAGER, name],
    });
    return value instanceof Variant && typeof value.value === "string" ? value.value : "";
  }

  /** Returns how the job has ended: `done`, `failed`, `timeout`… */
  async #job(member: string, signature: string, body: readonly DbusValue[]): Promise<string> {
    const [job] = await call(this.#connection, member, signature, body);
    const removed = this.#connection.signal((m) => m.member === "JobRemoved" && m.body[1] === job);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new Fault("deadline", `systemd takes longer than ${PATIENCE_MS / 1000} s`, {
            code: "runtime.systemd-late",
          }),
        );
      }, PATIENCE_MS);
    });
    try {
      const [, , , result] = await Promise.race([removed, late]);
      return typeof result === "string" ? result : "";
    } finally {
      clearTimeout(timer);
    }
  }

  #cannot(what: string, unit: string, why: unknown): Fault {
    return new Fault("system", `systemd cannot ${what} unit ${unit}: ${messageOf(why)}`, {
      code: "runtime.systemd-unit",
      cause: why,
    });
  }
}
