import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { MetaStore } from "../../storage/meta/store.ts";
import type { LocalVolumes } from "../../storage/volume/local.ts";
import { KeptStore } from "../kept/store.ts";
import { VolumeCatalog } from "./catalog.ts";

/** Directories as names; content is a number of files. */
class FakeDirs {
  listKept = async () => [];
  readonly files = new Map<string, number>();
  readonly mounted = new Set<string>();
  readonly done: string[] = [];

  path = (name: string): string => `/volumes/${name}/_data`;
  check(): void {}
  async create(name: string): Promise<void> {
    if (!this.files.has(name)) this.files.set(name, 0);
  }
  async remove(name: string): Promise<void> {
    this.files.delete(name);
  }
  async empty(name: string): Promise<void> {
    this.done.push(`empty ${name}`);
    this.files.set(name, 0);
  }
  async isEmpty(name: string): Promise<boolean> {
    return this.files.get(name) === 0;
  }
  async flush(): Promise<void> {
    this.done.push("flush");
  }
  async mount(name: string, options: object | null): Promise<void> {
    if (options !== null) this.mounted.add(name);
  }
  async unmount(name: string): Promise<void> {
    this.mounted.delete(name);
  }
  async sweep(known: ReadonlySet<string>): Promise<void> {
    this.done.push(`sweep ${[...known].join(",")}`);
  }
}

interface Bed {
  catalog: VolumeCatalog;
  dirs: FakeDirs;
  events: string[];
  /** Ids of recorded containers by volume. */
  users: Map<string, string[]>;
  store: MetaStore;
  /** The catalog of the next daemon on the same store. */
  again(): Promise<VolumeCatalog>;
}

async function withCatalog(body: (bed: Bed) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "berth-volumes-"));
  let store = await MetaStore.open(dir);
  const dirs = new FakeDirs();
  const events: string[] = [];
  const users = new Map<string, string[]>();
  const open = (): VolumeCatalog => {
    const catalog = new VolumeCatalog({
      store,
      local: dirs as unknown as LocalVolumes,
      plugins: {
        driver: async (name) => {
          throw new Fault("notFound", `error looking up volume plugin ${name}`);
        },
        names: () => [],
        plugins: async () => [],
      },
      events: {
        publish: (e) => {
          events.push(`${e.action} ${e.actorId}`);
          return e as never;
        },
      },
      kept: new KeptStore({ store, dir, limits: { keepMs: 0, maxBytes: 0 }, log: () => {} }),
      log: () => {},
    });
    catalog.setUserLister(() => users);
    return catalog;
  };
  try {
    const again = async (): Promise<VolumeCatalog> => {
      await store.close();
      store = await MetaStore.open(dir);
      return open();
    };
    await body({ catalog: open(), dirs, events, users, store, again });
  } finally {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

test("ensure makes a volume once, whoever comes at the same time", () =>
  withCatalog(async ({ catalog, events }) => {
    const wish = { name: "v", driver: "", labels: { a: "b" } };
    const [one, two] = await Promise.all([catalog.ensure(wish), catalog.ensure(wish)]);
    assert.equal(one, two);
    assert.deepEqual(one?.labels, { a: "b" });
    assert.deepEqual(events, ["create v"]);
    await assert.rejects(catalog.ensure({ name: "v", driver: "other" }), {
      kind: "notFound",
      message: "create v: error looking up volume plugin other",
    });
    const anonymous = await catalog.ensure({ name: "", driver: "" });
    assert.match(anonymous.name, /^[0-9a-f]{64}$/);
    assert.deepEqual(anonymous.labels, { "com.docker.volume.anonymous": "" });
  }));

test("remove refuses while a container has the volume, recorded or in the making", () =>
  withCatalog(async ({ catalog, users, dirs, events }) => {
    await catalog.ensure({ name: "v", driver: "" });
    const pin = catalog.pin("v", "c1");
    await assert.rejects(catalog.remove("v"), {
      kind: "conflict",
      message: "remove v: volume is in use - [c1]",
    });
    users.set("v", ["c1"]);
    pin[Symbol.dispose]();
    await assert.rejects(catalog.remove("v"), { code: "volume.in-use" });
    users.clear();
    await catalog.remove("v");
    assert.equal(dirs.files.has("v"), false);
    assert.deepEqual(events, ["create v", "destroy v"]);
    await assert.rejects(catalog.remove("v"), { kind: "notFound", message: "get v: no such volume" });
  }));

test("a pending volume does not outlive the daemon unless it is settled or used", () =>
  withCatalog(async ({ catalog, store, users, again, dirs }) => {
    const names = [];
    for (let i = 0; i < 3; i++)
      names.push((await catalog.ensure({ name: "", driver: "", isPending: true })).name);
    const [settled = "", used = "", lost = ""] = names;
    await store.commit(catalog.settle([settled]));
    users.set(used, ["c1"]);
    // What is taken from its last container is nobody's again; what another one has is not.
    const disowned = (await catalog.ensure({ name: "disowned", driver: "" })).name;
    users.set(disowned, ["c2"]);
    await store.commit(catalog.disown([disowned]));
    users.delete(disowned);
    const shared = (await catalog.ensure({ name: "shared", driver: "" })).name;
    users.set(shared, ["c3", "c4"]);
    assert.deepEqual(catalog.disown([shared]), []);
    const next = await again();
    await next.repair();
    assert.deepEqual(new Set(next.all().map((r) => r.name)), new Set([settled, used, shared]));
    assert.equal(dirs.files.has(lost), false);
  }));

test("a copy that a crash ended is thrown away before the next use, a whole one never", () =>
  withCatalog(async ({ catalog, dirs, again }) => {
    await catalog.ensure({ name: "v", driver: "" });
    const whole = { hasContent: true, isPart: false };
    const crash = new Error("the daemon is killed here");
    const cut = catalog.fill("v", "f1", whole, async () => {
      dirs.files.set("v", 2);
      throw crash;
    });
    await assert.rejects(cut, crash);
    const next = await again();
    assert.equal(await next.mayBeEmpty("v"), true);
    await next.fill("v", "f2", whole, async () => {
      assert.equal(dirs.files.get("v"), 0, "it begins with nothing");
      dirs.files.set("v", 5);
    });
    assert.deepEqual(dirs.done, ["empty v", "flush"]);
    assert.equal(await next.mayBeEmpty("v"), false);
    const third = await again();
    await third.mount("v", "c1");
    assert.equal(dirs.files.get("v"), 5);
    await third.fill("v", "f3", whole, () => Promise.reject(new Error("must not be called")));
  }));

test("nothing is thrown away where somebody works already", () =>
  withCatalog(async ({ catalog, dirs, again }) => {
    await catalog.ensure({ name: "v", driver: "" });
    await catalog.mount("v", "c1");
    const cut = catalog.fill("v", "f1", { hasContent: true, isPart: false }, async () => {
      dirs.files.set("v", 2); // one of them is the container's
      throw new Error("cut");
    });
    await assert.rejects(cut);
    const next = await again();
    await next.mount("v", "c2");
    assert.deepEqual(dirs.done, []);
    assert.equal(dirs.files.get("v"), 2);
  }));

test("a volume with options is unmounted after its last user", () =>
  withCatalog(async ({ catalog, dirs }) => {
    await catalog.ensure({ name: "m", driver: "", options: { type: "tmpfs", device: "tmpfs" } });
    await catalog.mount("m", "c1");
    await catalog.mount("m", "c2");
    catalog.adopt("m", "c3");
    for (const user of ["c1", "c2", "nobody"]) await catalog.unmount("m", user);
    assert.ok(dirs.mounted.has("m"));
    await catalog.unmount("m", "c3");
    assert.equal(dirs.mounted.has("m"), false);
  }));
