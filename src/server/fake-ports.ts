// An engine made of canned answers, for tests of server/ and of its clients. Behaves as the real one where the
// two-phase rule matters: unknown containers are refused before any stream begins.

import type { OutputChunk } from "../api/call.ts";
import type { ContainerInspect, ContainerSummary } from "../api/schemas/container.ts";
import type { EventMessage, SystemInfo, SystemVersion } from "../api/schemas/system.ts";
import { encodeFrames, FRAME_TYPES } from "../lib/frames.ts";
import { Fault } from "../lib/errors.ts";
import type { ContainerPort, ExecPort, ImagePort, Ports, SystemPort } from "./ports.ts";

/** What the fake was asked, in order: name of the port's method and its input. */
export type Recorded = readonly [method: string, input: unknown];

export interface FakePorts extends Ports {
  readonly calls: Recorded[];
  /** Resolves each time a call's signal aborts. */
  readonly aborted: Promise<string>;
  /** Lets an upload to `/slow` go on, which stops after its first bytes. */
  goOn(): void;
}

/** The one container the fake knows; "tty" is the same with a terminal. */
export const FAKE_ID = "4".repeat(64);

function summary(): ContainerSummary {
  return {
    Id: FAKE_ID,
    Names: ["/web"],
    Image: "nginx",
    ImageID: `sha256:${"5".repeat(64)}`,
    Command: "nginx -g 'daemon off;'",
    Created: 1_700_000_000,
    Ports: [{ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }],
    Labels: { tier: "front" },
    State: "running",
    Status: "Up 2 minutes",
    HostConfig: { NetworkMode: "bridge", Annotations: { a: "b" } },
    NetworkSettings: { Networks: {} },
    Mounts: [],
    Health: { Status: "none", FailingStreak: 0 },
  };
}

const VERSION: SystemVersion = {
  Platform: { Name: "Berth" },
  Components: [{ Name: "Engine", Version: "0.1.0", Details: { ApiVersion: "1.56", Os: "linux" } }],
  Version: "0.1.0",
  ApiVersion: "1.56",
  MinAPIVersion: "1.24",
  GitCommit: "abc",
  GoVersion: "none",
  Os: "linux",
  Arch: "amd64",
  KernelVersion: "6.1",
  BuildTime: "2026-01-01T00:00:00.000000000+00:00",
};

const INFO: SystemInfo = {
  ID: "fake",
  Containers: 3,
  ContainersRunning: 1,
  ContainersPaused: 0,
  ContainersStopped: 2,
  Images: 5,
  Driver: "overlay2",
  DriverStatus: [["Backing Filesystem", "extfs"]],
  Plugins: {
    Volume: ["local"],
    Network: ["bridge", "host", "null"],
    Authorization: null,
    Log: ["json-file"],
  },
  MemoryLimit: true,
  SwapLimit: true,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: true,
  PidsLimit: true,
  IPv4Forwarding: true,
  Debug: false,
  NFd: 20,
  OomKillDisable: true,
  NGoroutines: 1,
  SystemTime: "2026-01-01T00:00:00Z",
  LoggingDriver: "json-file",
  CgroupDriver: "cgroupfs",
  CgroupVersion: "1",
  NEventsListener: 0,
  KernelVersion: "6.1",
  OperatingSystem: "Debian",
  OSVersion: "12",
  OSType: "linux",
  Architecture: "x86_64",
  IndexServerAddress: "https://index.docker.io/v1/",
  RegistryConfig: { InsecureRegistryCIDRs: ["127.0.0.0/8"], IndexConfigs: {}, Mirrors: null },
  NCPU: 2,
  MemTotal: 2 ** 32,
  GenericResources: null,
  DockerRootDir: "/var/lib/berth",
  HttpProxy: "",
  HttpsProxy: "",
  NoProxy: "",
  Name: "fake-host",
  Labels: [],
  ExperimentalBuild: false,
  ServerVersion: "0.1.0",
  Runtimes: { keel: { path: "keel" } },
  DefaultRuntime: "keel",
  Swarm: {
    NodeID: "",
    NodeAddr: "",
    LocalNodeState: "inactive",
    ControlAvailable: false,
    Error: "",
    RemoteManagers: null,
  },
  LiveRestoreEnabled: true,
  Isolation: "",
  InitBinary: "docker-init",
  ContainerdCommit: { ID: "" },
  RuncCommit: { ID: "" },
  InitCommit: { ID: "" },
  SecurityOptions: ["name=seccomp,profile=builtin"],
  CDISpecDirs: [],
  Warnings: null,
};

function find(id: string): void {
  if (id !== "web" && id !== "tty" && id !== FAKE_ID) throw new Fault("notFound", `No such container: ${id}`);
}

async function* batches(count: number, bytes: number): AsyncGenerator<readonly OutputChunk[]> {
  for (let i = 0; i < count; i++) {
    yield [
      { stream: "stdout", data: Buffer.alloc(bytes, "o") },
      { stream: "stderr", data: Buffer.from("e") },
    ];
  }
}

export function createFakePorts(): FakePorts {
  const calls: Recorded[] = [];
  const { promise: aborted, resolve: onAbort } = Promise.withResolvers<string>();
  const slow = Promise.withResolvers<void>();
  const note = (method: string, input: unknown) => calls.push([method, input]);
  const untilAbort = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        onAbort(String((signal.reason as Error).message));
        reject(signal.reason);
      });
    });

  const container: ContainerPort = {
    async list(input) {
      note("list", input);
      return [summary()];
    },
    async create(input) {
      note("create", input);
      if (input.body.Image === "missing") throw new Fault("notFound", "No such image: missing:latest");
      if (input.name === "web") throw new Fault("conflict", "name in use");
      return { Id: FAKE_ID, Warnings: [] };
    },
    async inspect(input) {
      find(input.id);
      // Only what the docker command line looks at before it attaches or prints logs.
      const answer = {
        Id: input.id === "tty" ? "tty" : FAKE_ID,
        Name: "/web",
        State: { Running: true },
        Config: { Tty: input.id === "tty", OpenStdin: true },
      };
      return answer as unknown as ContainerInspect;
    },
    async start(input) {
      find(input.id);
      if (input.id === "web") throw new Fault("notModified", "already started");
    },
    async logs(input) {
      find(input.id);
      return { isTty: input.id === "tty", batches: batches(2, 5) };
    },
    async attach(input, hijack, call) {
      find(input.id);
      const isTty = input.id === "tty";
      const stream = hijack.accept({ isTty });
      note("attach", input);
      call.signal.addEventListener("abort", () => onAbort(String((call.signal.reason as Error).message)));
      for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
        const isRoom = stream.write(
          isTty ? chunk : encodeFrames([{ type: FRAME_TYPES.stdout, data: chunk }]),
        );
        if (!isRoom) await new Promise((resolve) => stream.once("drain", resolve));
      }
      stream.write(isTty ? "bye" : encodeFrames([{ type: FRAME_TYPES.stderr, data: Buffer.from("bye") }]));
    },
    async wait(input, call) {
      find(input.id);
      note("wait", input);
      if (input.condition === "removed") return { exit: untilAbort(call.signal) };
      return { exit: Promise.resolve({ StatusCode: 7 }) };
    },
    async archiveInfo(input) {
      find(input.id);
      return { name: "etc", size: 4096, mode: 2147484141, mtime: "2026-01-02T03:04:05Z", linkTarget: "" };
    },
    async putArchive(input, body) {
      if (input.path === "/no") throw new Fault("notFound", "Could not find the file /no in container");
      let bytes = 0;
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        if (input.path === "/slow") await slow.promise;
      }
      note("putArchive", bytes);
    },
    async export(input) {
      find(input.id);
      return (async function* () {
        for (let i = 0; i < 64; i++) yield Buffer.alloc(64 * 1024, i);
      })();
    },
    async top() {
      throw new TypeError("a bug in the engine");
    },
  };
  const exec: ExecPort = {
    async start(input, hijack) {
      note("exec.start", input);
      const stream = hijack.accept({ isTty: input.body?.Tty === true });
      throw new Fault("system", `exec failed after accept${stream.writable ? "" : "?"}`);
    },
    async startDetached(input) {
      note("exec.startDetached", input);
    },
  };
  const image: ImagePort = {
    async pull(input, out) {
      note("pull", input);
      if (input.fromImage?.endsWith("nope")) throw new Fault("notFound", "manifest unknown");
      await out.write({ status: "Pulling from library/busybox", id: "latest" });
      if (input.fromImage?.endsWith("broken")) throw new Fault("system", "connection reset");
      await out.write({ status: "Done" });
    },
    async load(_input, body, out) {
      let bytes = 0;
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        if (bytes === 0) await out.write({ status: "loading" });
        bytes += chunk.length;
      }
      await out.write({ stream: `Loaded ${bytes} bytes\n` });
    },
  };
  const system: SystemPort = {
    version: async () => VERSION,
    async info(input) {
      note("info", input);
      return INFO;
    },
    async events(input, call) {
      note("events", input);
      if (input.since === "x") throw new Fault("invalidParameter", "invalid value for 'since'");
      const event: EventMessage = {
        Type: "container",
        Action: "start",
        Actor: { ID: FAKE_ID, Attributes: { image: "nginx" } },
        scope: "local",
        time: 1_763_712_345,
        timeNano: 1_763_712_345_123_456_789n,
      };
      return (async function* () {
        yield event;
        yield { ...event, Action: "die" };
        if (input.until === undefined) await untilAbort(call.signal);
      })();
    },
  };
  return { container, exec, image, system, calls, aborted, goOn: slow.resolve };
}
