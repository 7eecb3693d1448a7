// What the engine does while its disk is recorded: sequences of requests, each with what its success promises (ledger.ts).
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../../src/lib/tar/writer.ts";
import { readFileSync } from "node:fs";
import type { Api } from "../api.ts";
import { ABSENT, type Ledger } from "./ledger.ts";

export interface Work {
  readonly api: Api;
  readonly ledger: Ledger;
  /** Lets the disk catch up: layers that were made so far are stable from then on. */
  readonly flush: () => Promise<void>;
  /** host:port of a registry. */
  readonly registry: string;
}

export type Workload = (work: Work) => Promise<void>;

const PRESENT = "present";

/** What is promised of a container. */
export const containerState = (networks: readonly string[], memoryMiB: number): string =>
  `networks=${networks.toSorted().join(",")} memory=${memoryMiB}`;

type File = readonly [name: string, content: Uint8Array | string, mode?: number];

export function tarOf(files: readonly File[]): Buffer {
  const parts = files.flatMap(([name, text, mode = 0o644]) => {
    const content = Buffer.from(text);
    const head = tarHeader(tarEntry({ type: "file", name, mode, sizeBytes: content.length }));
    return [head, content, tarPadding(content.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

/** A root file system with a shell and nothing else. */
export const baseTar = (): Buffer => {
  const link = (name: string): Buffer =>
    tarHeader(tarEntry({ type: "symlink", name, linkName: "busybox", mode: 0o777 }));
  const links = ["bin/sh", "bin/sleep", "bin/true"].map(link);
  return Buffer.concat([...links, tarOf([["bin/busybox", readFileSync("/bin/busybox"), 0o755]])]);
};

async function importBase({ api, ledger, flush }: Work): Promise<void> {
  await ledger.promise(
    { "image:base:latest": PRESENT },
    () => api.text("POST", "/images/create?fromSrc=-&repo=base&tag=latest", baseTar()),
    flush,
  );
}

interface Settings {
  readonly network?: string;
  readonly memoryMiB?: number;
  readonly policy?: string;
  readonly binds?: readonly string[];
  readonly hasTerminal?: boolean;
}

function create({ api, ledger }: Work, name: string, settings: Settings = {}): Promise<unknown> {
  const { network = "none", memoryMiB = 0, policy = "no", binds = [], hasTerminal = false } = settings;
  const HostConfig = {
    NetworkMode: network,
    Memory: memoryMiB << 20,
    RestartPolicy: { Name: policy },
    Binds: binds,
  };
  return ledger.promise({ [`container:${name}`]: containerState([network], memoryMiB) }, () =>
    api.text("POST", `/containers/create?name=${name}`, {
      Image: "base",
      Cmd: ["/bin/sleep", "1000"],
      StopSignal: "SIGKILL",
      Tty: hasTerminal,
      HostConfig,
    }),
  );
}

const remove = ({ api, ledger }: Work, name: string): Promise<unknown> =>
  ledger.promise({ [`container:${name}`]: ABSENT }, () =>
    api.text("DELETE", `/containers/${name}?force=1&v=1`),
  );

/** Containers are created, started, stopped, resized, changed, renamed, removed and pruned. */
const containers: Workload = async (work) => {
  const { api, ledger } = work;
  await importBase(work);
  await create(work, "one", { hasTerminal: true });
  for (const name of ["two", "three"]) await create(work, name);
  await Promise.all(["four", "five", "six"].map((name) => create(work, name, { memoryMiB: 64 })));
  await Promise.all(["one", "four", "five"].map((name) => api.text("POST", `/containers/${name}/start`)));
  await api.text("POST", "/containers/one/resize?h=40&w=120");
  await ledger.promise({ "container:four": containerState(["none"], 96) }, () =>
    api.text("POST", "/containers/four/update", { Memory: 96 << 20, MemorySwap: 192 << 20 }),
  );
  await ledger.promise({ "container:two": ABSENT, "container:deux": containerState(["none"], 0) }, () =>
    api.text("POST", "/containers/two/rename?name=deux"),
  );
  await api.text("POST", "/containers/one/stop");
  await remove(work, "one");
  await remove(work, "five");
  await api.text("POST", "/containers/four/kill");
  await api.text("POST", "/containers/four/wait");
  await create(work, "one", { memoryMiB: 32 });
  const rest = ["deux", "three", "four", "six", "one"];
  await ledger.promise(Object.fromEntries(rest.map((n) => [`container:${n}`, ABSENT])), () =>
    api.text("POST", "/containers/prune"),
  );
  await create(work, "last");
};

/** Images are imported, built, tagged, pushed, pulled, committed, removed and pruned. */
const images: Workload = async (work) => {
  const { api, ledger, registry, flush } = work;
  const promise = (
    refs: readonly string[],
    state: string,
    ask: () => Promise<unknown>,
    laterBy?: () => Promise<void>,
  ): Promise<unknown> =>
    ledger.promise(Object.fromEntries(refs.map((ref) => [`image:${ref}`, state])), ask, laterBy);
  await importBase(work);
  const build = (tag: string, lines: readonly string[], extra: readonly File[] = []): Promise<unknown> =>
    promise(
      [tag],
      PRESENT,
      () => api.text("POST", `/build?t=${tag}`, tarOf([["Dockerfile", lines.join("\n")], ...extra])),
      flush,
    );
  const dockerfile = ["FROM base", "COPY a /a", "RUN echo made > /made", "LABEL x=1"];
  await build("app:1", dockerfile, [["a", "first"]]);
  await build("app:2", dockerfile, [["a", "second".repeat(5000)]]);
  const far = `${registry}/app`;
  await promise([`${far}:1`], PRESENT, () => api.text("POST", `/images/app:1/tag?repo=${far}&tag=1`));
  await promise([`${far}:2`], PRESENT, () => api.text("POST", `/images/app:2/tag?repo=${far}&tag=2`));
  for (const tag of ["1", "2"]) await api.text("POST", `/images/${far}/push?tag=${tag}`);
  for (const ref of ["app:1", "app:2", `${far}:1`, `${far}:2`])
    await promise([ref], ABSENT, () => api.text("DELETE", `/images/${ref}`));
  await Promise.all(
    ["1", "2"].map((tag) =>
      promise(
        [`${far}:${tag}`],
        PRESENT,
        () => api.text("POST", `/images/create?fromImage=${far}&tag=${tag}`),
        flush,
      ),
    ),
  );
  await create(work, "user");
  await promise(["committed:1"], PRESENT, () =>
    api.text("POST", "/commit?container=user&repo=committed&tag=1", {}),
  );
  await promise([`${far}:1`], ABSENT, () => api.text("DELETE", `/images/${far}:1`));
  const filters = encodeURIComponent(JSON.stringify({ dangling: ["false"] }));
  await promise([`${far}:2`, "committed:1"], ABSENT, () =>
    api.text("POST", `/images/prune?filters=${filters}`),
  );
  await api.text("POST", "/build/prune?all=1");
};

/** Networks and volumes come and go, and containers are connected and disconnected. */
const networks: Workload = async (work) => {
  const { api, ledger } = work;
  await importBase(work);
  const on = (names: readonly string[]): string => containerState(names, 0);
  for (const name of ["blue", "green"])
    await ledger.promise({ [`network:${name}`]: PRESENT }, () =>
      api.text("POST", "/networks/create", { Name: name }),
    );
  for (const name of ["data", "cache"])
    await ledger.promise({ [`volume:${name}`]: PRESENT }, () =>
      api.text("POST", "/volumes/create", { Name: name }),
    );
  await create(work, "web", { network: "blue", binds: ["data:/data"] });
  await ledger.promise({ "volume:named": PRESENT }, () =>
    create(work, "db", { network: "green", binds: ["named:/data", "/anonymous"] }),
  );
  await api.text("POST", "/containers/web/start");
  const connect = (container: string, network: string, after: readonly string[]): Promise<unknown> =>
    ledger.promise({ [`container:${container}`]: on(after) }, () =>
      api.text("POST", `/networks/${network}/connect`, { Container: container }),
    );
  await connect("web", "green", ["blue", "green"]);
  await connect("db", "blue", ["blue", "green"]);
  await ledger.promise({ "container:web": on(["green"]) }, () =>
    api.text("POST", "/networks/blue/disconnect", { Container: "web" }),
  );
  await remove(work, "db");
  await ledger.promise({ "network:blue": ABSENT }, () => api.text("DELETE", "/networks/blue"));
  await ledger.promise({ "volume:cache": ABSENT }, () => api.text("DELETE", "/volumes/cache"));
  const filters = encodeURIComponent(JSON.stringify({ all: ["1"] }));
  await ledger.promise({ "volume:named": ABSENT }, () =>
    api.text("POST", `/volumes/prune?filters=${filters}`),
  );
  await remove(work, "web");
  await ledger.promise({ "network:green": ABSENT }, () => api.text("POST", "/networks/prune"));
};

/** Containers that are to run again after a start of the machine, unless somebody has stopped them. */
const policies: Workload = async (work) => {
  const { api, ledger } = work;
  await importBase(work);
  const runs = (name: string, state: "runs" | "rests", ask: () => Promise<unknown>): Promise<unknown> =>
    ledger.promise({ [`run:${name}`]: state }, ask);
  for (const name of ["p1", "p2"]) {
    await runs(name, "rests", () => create(work, name, { policy: "unless-stopped" }));
    await runs(name, "runs", () => api.text("POST", `/containers/${name}/start`));
  }
  await runs("p1", "rests", () => api.text("POST", "/containers/p1/stop"));
  await runs("p2", "rests", () => api.text("POST", "/containers/p2/kill"));
  await runs("p2", "runs", () => api.text("POST", "/containers/p2/start"));
};

export const WORKLOADS: Readonly<Record<string, Workload>> = { containers, images, networks, policies };
