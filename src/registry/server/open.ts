// Opens a registry: its stores under one directory, its server, and the clearing away that goes on beside it.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { FileContentStore } from "../../storage/content/store.ts";
import { MetaStore } from "../../storage/meta/store.ts";
import { Uploads } from "./blobs.ts";
import { PullThrough, type Upstream } from "./cache.ts";
import { Catalog } from "./catalog.ts";
import { Htpasswd } from "./htpasswd.ts";
import { RegistryServer, type RegistryServerOptions } from "./server.ts";

export interface RegistryOptions extends Pick<RegistryServerOptions, "realm" | "tls" | "log"> {
  /** Directory of everything. */
  readonly root: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Path of an htpasswd file. */
  readonly htpasswd?: string | undefined;
  readonly isReadOnly: boolean;
  readonly upstream?: Upstream | undefined;
  /** How long a cache keeps what it has, in milliseconds. */
  readonly keepMs: number;
}

export interface Registry extends AsyncDisposable {
  /** host:port in force. */
  readonly address: string;
}

const CLEAR_EVERY_MS = 3600_000;
/** A blob younger than this may belong to a push under way. */
const YOUNG_MS = 24 * 3600_000;

/** Opens a registry and starts to serve. Fails with conflict when another one has the directory, invalidParameter, system. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  await using stack = new AsyncDisposableStack();
  await mkdir(options.root, { recursive: true, mode: 0o700 });
  const meta = await MetaStore.open(join(options.root, "meta"), {
    log: (message, detail) => options.log(`${message} ${JSON.stringify(detail)}`),
  });
  stack.use(meta);
  const content = await FileContentStore.open(join(options.root, "content"));
  const catalog = new Catalog(meta, content);
  const uploads = await Uploads.open(catalog, meta);
  const closing = new AbortController();
  stack.defer(() => closing.abort());
  const { upstream } = options;
  const cache = upstream && new PullThrough(catalog, upstream, closing.signal);
  const htpasswd = options.htpasswd === undefined ? undefined : await Htpasswd.open(options.htpasswd);
  const server = new RegistryServer({
    ...options,
    catalog,
    uploads,
    cache,
    htpasswd,
    isReadOnly: options.isReadOnly || cache !== undefined,
  });
  const clear = async (): Promise<void> => {
    try {
      await uploads.expire();
      await (cache === undefined
        ? catalog.collect(Date.now() - YOUNG_MS)
        : catalog.expire(Date.now() - options.keepMs));
    } catch (error) {
      options.log(`clearing away: ${messageOf(error)}`);
    }
  };
  await clear();
  const timer = setInterval(() => void clear(), CLEAR_EVERY_MS);
  stack.defer(() => clearInterval(timer));
  const address = await server.listen(options.listen.host, options.listen.port);
  stack.defer(() => server.close());
  const all = stack.move();
  return { address, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
