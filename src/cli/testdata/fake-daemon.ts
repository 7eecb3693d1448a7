// A daemon of fixed answers on a unix socket, for comparing command lines with each other. Times that are shown as "… ago"
// are counted from now; everything else is constant. It keeps what it was asked.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export interface FakeRequest {
  readonly method: string;
  /** Without the version prefix. */
  readonly path: string;
  readonly query: Readonly<Record<string, string[]>>;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

export interface FakeDaemon extends AsyncDisposable {
  readonly requests: FakeRequest[];
}

const id = (digit: string): string => `${digit}1b2c3d4e5f6`.padEnd(64, digit);
const hoursAgo = (hours: number): number => Math.floor(Date.now() / 1000) - hours * 3600;
const endpoint = { IPAMConfig: null, NetworkID: id("7"), IPAddress: "172.17.0.2", Gateway: "172.17.0.1" };

const web = () => ({
  Id: id("a"),
  Names: ["/web", "/other/alias"],
  Image: "nginx:1.27@sha256:0000000000000000000000000000000000000000000000000000000000000001",
  ImageID: `sha256:${id("e")}`,
  Command: "/docker-entrypoint.sh nginx -g 'daemon off;'",
  Created: hoursAgo(2),
  Ports: [
    { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
    { IP: "::", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
    { IP: "0.0.0.0", PrivatePort: 443, PublicPort: 443, Type: "tcp" },
    { IP: "0.0.0.0", PrivatePort: 444, PublicPort: 444, Type: "tcp" },
    { IP: "0.0.0.0", PrivatePort: 445, PublicPort: 445, Type: "tcp" },
    { PrivatePort: 9000, Type: "udp" },
    { PrivatePort: 9001, Type: "udp" },
    { PrivatePort: 9003, Type: "udp" },
  ],
  SizeRw: 1234,
  SizeRootFs: 187_654_321,
  Labels: { "com.example.tier": "front", maintainer: "NGINX" },
  State: "running",
  Status: "Up 2 hours",
  HostConfig: { NetworkMode: "bridge" },
  NetworkSettings: { Networks: { bridge: endpoint } },
  Mounts: [
    {
      Type: "volume",
      Name: "averyverylongvolumename",
      Source: "",
      Destination: "/data",
      Driver: "local",
      Mode: "z",
      RW: true,
      Propagation: "",
    },
    { Type: "bind", Source: "/srv/www", Destination: "/www", Mode: "", RW: true, Propagation: "rprivate" },
  ],
});

const job = () => ({
  Id: id("b"),
  Names: ["/job-with-a-rather-long-name"],
  Image: `sha256:${id("f")}`,
  ImageID: `sha256:${id("f")}`,
  Command: "sh -c \"echo 'hi'\"",
  Created: hoursAgo(49),
  Ports: [],
  Labels: {},
  State: "exited",
  Status: "Exited (0) 2 days ago",
  HostConfig: { NetworkMode: "host" },
  NetworkSettings: { Networks: {} },
  Mounts: [],
});

const images = () => [
  {
    Containers: -1,
    Created: hoursAgo(24 * 20),
    Id: `sha256:${id("e")}`,
    Labels: { a: "b" },
    ParentId: "",
    RepoDigests: ["nginx@sha256:0000000000000000000000000000000000000000000000000000000000000001"],
    RepoTags: ["nginx:1.27", "nginx:latest"],
    SharedSize: -1,
    Size: 187_654_321,
  },
  {
    Containers: 2,
    Created: hoursAgo(1),
    Id: `sha256:${id("f")}`,
    Labels: null,
    ParentId: "",
    RepoDigests: [],
    RepoTags: [],
    SharedSize: 1000,
    Size: 4_261_550,
  },
  {
    Containers: 0,
    Created: hoursAgo(24 * 400),
    Id: `sha256:${id("d")}`,
    Labels: null,
    ParentId: "",
    RepoDigests: [
      "reg.example:5000/team/app@sha256:0000000000000000000000000000000000000000000000000000000000000002",
    ],
    RepoTags: ["reg.example:5000/team/app:v1"],
    SharedSize: 0,
    Size: 999,
  },
];

const inspected = {
  Id: id("a"),
  Created: "2024-05-06T07:08:09.123456789Z",
  Path: "/docker-entrypoint.sh",
  Args: ["nginx", "-g", "daemon off;"],
  State: {
    Status: "running",
    Running: true,
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: 4242,
    ExitCode: 0,
    Error: "",
    StartedAt: "2024-05-06T07:08:10.5Z",
    FinishedAt: "0001-01-01T00:00:00Z",
  },
  Image: `sha256:${id("e")}`,
  Name: "/web",
  RestartCount: 0,
  Driver: "overlay2",
  Platform: "linux",
  HostConfig: {
    Binds: ["/srv/www:/www"],
    NetworkMode: "bridge",
    PortBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] },
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    Memory: 536870912,
    NanoCpus: 1500000000,
  },
  Mounts: [
    { Type: "bind", Source: "/srv/www", Destination: "/www", Mode: "", RW: true, Propagation: "rprivate" },
  ],
  Config: {
    Hostname: "a1b2c3d4e5f6",
    Env: ["PATH=/usr/bin", "A=<b>&c"],
    Cmd: ["nginx", "-g", "daemon off;"],
    Image: "nginx:1.27",
    Labels: { "com.example.tier": "front", maintainer: "NGINX" },
    Tty: false,
    ExposedPorts: { "80/tcp": {} },
  },
  NetworkSettings: {
    SandboxID: "",
    Ports: {
      "80/tcp": [
        { HostIp: "0.0.0.0", HostPort: "8080" },
        { HostIp: "::", HostPort: "8080" },
      ],
      "443/tcp": [{ HostIp: "0.0.0.0", HostPort: "443" }],
      "9000/udp": null,
    },
    Networks: { bridge: endpoint },
  },
};

const imageInspected = {
  Id: `sha256:${id("e")}`,
  RepoTags: ["nginx:1.27"],
  RepoDigests: [],
  Created: "2024-05-06T07:08:09Z",
  Architecture: "amd64",
  Os: "linux",
  Size: 187654321,
  Config: { Env: ["PATH=/usr/bin"], Cmd: ["nginx"], Labels: { maintainer: "NGINX" } },
  RootFS: { Type: "layers", Layers: ["sha256:1", "sha256:2"] },
  Metadata: { LastTagTime: "0001-01-01T00:00:00Z" },
};

const networks = [
  {
    Name: "host",
    Id: id("8"),
    Created: "2024-05-06T07:08:09.5Z",
    Scope: "local",
    Driver: "host",
    EnableIPv4: true,
    EnableIPv6: false,
    Internal: false,
    Labels: {},
  },
  {
    Name: "bridge",
    Id: id("7"),
    Created: "2024-05-06T07:08:09.123456789Z",
    Scope: "local",
    Driver: "bridge",
    EnableIPv4: true,
    EnableIPv6: false,
    Internal: false,
    Labels: { one: "1" },
    IPAM: { Driver: "default", Config: [{ Subnet: "172.17.0.0/16", Gateway: "172.17.0.1" }] },
  },
  {
    Name: "net10",
    Id: id("9"),
    Created: "2024-05-06T07:08:09Z",
    Scope: "swarm",
    Driver: "overlay",
    EnableIPv4: true,
    EnableIPv6: true,
    Internal: true,
    Labels: null,
  },
  {
    Name: "net9",
    Id: id("5"),
    Created: "2024-05-06T07:08:09Z",
    Scope: "local",
    Driver: "bridge",
    EnableIPv4: true,
    EnableIPv6: false,
    Internal: false,
    Labels: null,
  },
];

const volumes = [
  {
    CreatedAt: "2024-05-06T07:08:09Z",
    Driver: "local",
    Labels: { keep: "yes" },
    Mountpoint: "/var/lib/docker/volumes/data/_data",
    Name: "data",
    Options: null,
    Scope: "local",
  },
  {
    CreatedAt: "2024-05-06T07:08:09Z",
    Driver: "nfs",
    Labels: null,
    Mountpoint: "/mnt",
    Name: "archive",
    Options: {},
    Scope: "global",
  },
];

const version = {
  Platform: { Name: "Docker Engine - Community" },
  Components: [
    {
      Name: "Engine",
      Version: "28.2.2",
      Details: {
        ApiVersion: "1.50",
        Arch: "amd64",
        BuildTime: "2025-05-30T12:07:26.000000000+00:00",
        Experimental: "false",
        GitCommit: "45873be",
        GoVersion: "go1.24.3",
        KernelVersion: "6.1.0",
        MinAPIVersion: "1.24",
        Os: "linux",
      },
    },
    {
      Name: "containerd",
      Version: "1.7.27",
      Details: { GitCommit: "05044ec0a9a75232cad458027ca83437aae3f4da" },
    },
    { Name: "runc", Version: "1.2.5", Details: { GitCommit: "v1.2.5-0-g59923ef" } },
  ],
  Version: "28.2.2",
  ApiVersion: "1.50",
  MinAPIVersion: "1.24",
  GitCommit: "45873be",
  GoVersion: "go1.24.3",
  Os: "linux",
  Arch: "amd64",
  KernelVersion: "6.1.0",
  BuildTime: "2025-05-30T12:07:26.000000000+00:00",
};

const info = {
  ID: "1234-5678",
  Containers: 3,
  ContainersRunning: 1,
  ContainersPaused: 0,
  ContainersStopped: 2,
  Images: 5,
  Driver: "overlay2",
  DriverStatus: [
    ["Backing Filesystem", "extfs"],
    ["Native Overlay Diff", "true"],
  ],
  Plugins: {
    Volume: ["local"],
    Network: ["bridge", "host", "null"],
    Authorization: null,
    Log: ["json-file", "local"],
  },
  LoggingDriver: "json-file",
  CgroupDriver: "cgroupfs",
  CgroupVersion: "2",
  KernelVersion: "6.1.0",
  OperatingSystem: "Debian GNU/Linux 12 (bookworm)",
  OSType: "linux",
  Architecture: "x86_64",
  NCPU: 2,
  MemTotal: 8_123_456_789,
  DockerRootDir: "/var/lib/docker",
  Name: "host1",
  Labels: ["a=b"],
  ExperimentalBuild: false,
  ServerVersion: "28.2.2",
  Runtimes: { runc: { path: "runc" } },
  DefaultRuntime: "runc",
  Swarm: {
    NodeID: "",
    NodeAddr: "",
    LocalNodeState: "inactive",
    ControlAvailable: false,
    Error: "",
    RemoteManagers: null,
  },
  LiveRestoreEnabled: true,
  InitBinary: "docker-init",
  ContainerdCommit: { ID: "c1" },
  RuncCommit: { ID: "r1" },
  InitCommit: { ID: "i1" },
  SecurityOptions: ["name=seccomp,profile=builtin", "name=cgroupns"],
  RegistryConfig: { InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8"], IndexConfigs: {}, Mirrors: null },
  DefaultAddressPools: [{ Base: "172.30.0.0/16", Size: 24 }],
  Warnings: ["WARNING: bridge-nf-call-iptables is disabled"],
};

const history = () => [
  {
    Comment: "buildkit.dockerfile.v0",
    Created: hoursAgo(5),
    CreatedBy: 'CMD ["nginx" "-g" "daemon off;"]',
    Id: `sha256:${id("e")}`,
    Size: 0,
    Tags: ["nginx:1.27"],
  },
  {
    Comment: "",
    Created: hoursAgo(30),
    CreatedBy: "/bin/sh -c #(nop) COPY file:4e7650394d84156d in /docker-entrypoint.d/ \twith a tab",
    Id: "<missing>",
    Size: 4620,
    Tags: null,
  },
  { Comment: "", Created: 0, CreatedBy: "ADD rootfs", Id: "<missing>", Size: 77_123_456, Tags: null },
];

const diskUsage = () => ({
  LayersSize: 191_915_871,
  Images: images(),
  Containers: [web(), { ...job(), SizeRw: 9000 }],
  Volumes: [
    { ...volumes[0], UsageData: { RefCount: 1, Size: 5000 } },
    { ...volumes[1], UsageData: { RefCount: 0, Size: 7000 } },
  ],
  BuildCache: [],
});

const pull = [
  { status: "Pulling from library/nginx", id: "1.27" },
  { status: "Pulling fs layer", progressDetail: {}, id: "aaaaaaaaaaaa" },
  {
    status: "Downloading",
    progressDetail: { current: 1000, total: 2000 },
    progress: "[==>  ]",
    id: "aaaaaaaaaaaa",
  },
  { status: "Download complete", progressDetail: {}, id: "aaaaaaaaaaaa" },
  { status: "Pull complete", progressDetail: {}, id: "aaaaaaaaaaaa" },
  { status: "Digest: sha256:0000000000000000000000000000000000000000000000000000000000000001" },
  { status: "Status: Downloaded newer image for nginx:1.27" },
];

const build = [
  { stream: "Step 1/2 : FROM busybox" },
  { stream: "\n" },
  { stream: " ---> e1b2c3d4e5f6\n" },
  { stream: "Step 2/2 : RUN true" },
  { stream: "\n" },
  { aux: { ID: `sha256:${id("e")}` } },
  { stream: "Successfully built e1b2c3d4e5f6\n" },
];

const failedBuild = [
  { stream: "Step 1/1 : RUN false\n" },
  {
    errorDetail: { code: 7, message: "The command '/bin/sh -c false' returned a non-zero code: 7" },
    error: "The command '/bin/sh -c false' returned a non-zero code: 7",
  },
];

const events = [
  {
    Type: "container",
    Action: "start",
    Actor: { ID: id("a"), Attributes: { image: "nginx", name: "web" } },
    scope: "local",
    time: 1_704_164_645,
    timeNano: 1_704_164_645_000_000_000,
  },
  {
    Type: "network",
    Action: "connect",
    Actor: { ID: id("7"), Attributes: {} },
    scope: "local",
    time: 1_704_164_646,
    timeNano: 1_704_164_646_000_000_000,
  },
];

const frame = (stream: number, text: string): Buffer => {
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

type Answer =
  | { readonly status?: number; readonly json: unknown }
  | {
      readonly status?: number;
      readonly lines: readonly unknown[];
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly status?: number; readonly bytes: Uint8Array };

const plugin = (name: string, enabled: boolean) => ({
  Config: {
    Args: { Description: "", Name: "", Settable: null, Value: [] },
    Description: `A plugin called ${name}`,
    Documentation: "https://example.com",
    Entrypoint: ["/plugin", "-v"],
    Env: [{ Description: "more", Name: "DEBUG", Settable: ["value"], Value: "0" }],
    Interface: { Socket: "test.sock", Types: ["docker.volumedriver/1.0"] },
    IpcHost: false,
    Linux: { AllowAllDevices: false, Capabilities: ["CAP_SYS_ADMIN"], Devices: null },
    Mounts: null,
    Network: { Type: "host" },
    PidHost: false,
    PropagatedMount: "/mnt/state",
    User: {},
    WorkDir: "",
  },
  Enabled: enabled,
  Id: id(enabled ? "8" : "9"),
  Name: `me/${name}:latest`,
  PluginReference: `docker.io/me/${name}:latest`,
  Settings: { Args: [], Devices: [], Env: ["DEBUG=0"], Mounts: [] },
});
const privileges = [
  { Name: "network", Description: "permissions to access a network", Value: ["host"] },
  { Name: "capabilities", Description: "list", Value: ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"] },
];
const pluginLines = [
  { status: "latest: Pulling from me/shelf" },
  { status: "Download complete", progressDetail: {}, id: "0123456789ab" },
];

const missing = (message: string): Answer => ({ status: 404, json: { message } });
const nothing: Answer = { status: 204, bytes: new Uint8Array(0) };

/** First match answers. */
const routes: readonly (readonly [RegExp, (request: FakeRequest) => Answer])[] = [
  [/^GET \/containers\/json$/, ({ query }) => ({ json: listContainers(query) })],
  [
    /^GET \/images\/json$/,
    ({ query }) => ({ json: (query["filters"]?.[0] ?? "").includes("nothing") ? [] : images() }),
  ],
  [/^GET \/networks$/, () => ({ json: networks })],
  [/^GET \/volumes$/, () => ({ json: { Volumes: volumes, Warnings: null } })],
  [/^GET \/version$/, () => ({ json: version })],
  [/^GET \/info$/, () => ({ json: info })],
  [/^GET \/system\/df$/, () => ({ json: diskUsage() })],
  [/^GET \/events$/, () => ({ lines: events })],
  [/^GET \/containers\/web\/json$/, () => ({ json: inspected })],
  [
    /^GET \/containers\/.*\/top$/,
    () => ({
      json: {
        Titles: ["UID", "PID", "CMD"],
        Processes: [
          ["root", "1", "nginx: master"],
          ["www-data", "4242", "nginx"],
        ],
      },
    }),
  ],
  [
    /^GET \/containers\/.*\/logs$/,
    () => ({ bytes: Buffer.concat([frame(1, "out line\n"), frame(2, "err line\n"), frame(1, "partial")]) }),
  ],
  [
    /^GET \/containers\/web\/changes$/,
    () => ({
      json: [
        { Kind: 0, Path: "/etc" },
        { Kind: 1, Path: "/etc/new" },
        { Kind: 2, Path: "/old" },
      ],
    }),
  ],
  [/^POST \/containers\/web\/update$/, () => ({ json: { Warnings: null } })],
  [/^POST \/containers\/web\/wait$/, () => ({ json: { StatusCode: 3 } })],
  [/^(?:POST|DELETE) \/containers\/web(?:\/\w+)?$/, () => nothing],
  [
    /^POST \/containers\/prune$/,
    () => ({ json: { ContainersDeleted: [id("a"), id("b")], SpaceReclaimed: 1_234_567 } }),
  ],
  [
    /^POST \/images\/prune$/,
    () => ({
      json: {
        ImagesDeleted: [{ Untagged: "nginx:1.27" }, { Deleted: "sha256:e" }],
        SpaceReclaimed: 187_000_000,
      },
    }),
  ],
  [/^POST \/networks\/prune$/, () => ({ json: { NetworksDeleted: ["net9"] } })],
  [/^POST \/volumes\/prune$/, () => ({ json: { VolumesDeleted: ["data"], SpaceReclaimed: 5000 } })],
  [/^POST \/build\/prune$/, () => ({ json: { CachesDeleted: ["abc"], SpaceReclaimed: 42_000 } })],
  [/^POST \/containers\/create$/, ({ body }) => createAnswer(body)],
  [/^GET \/images\/nginx.*\/json$/, () => ({ json: imageInspected })],
  [/^GET \/images\/.*\/history$/, () => ({ json: history() })],
  [/^DELETE \/images\/nginx/, () => ({ json: [{ Untagged: "nginx:1.27" }, { Deleted: "sha256:e" }] })],
  [
    /^POST \/images\/create$/,
    ({ query }) =>
      query["fromImage"]?.[0]?.includes("private")
        ? missing("pull access denied for private/x")
        : { lines: pull },
  ],
  [/^POST \/images\/.*\/tag$/, () => ({ status: 201, bytes: new Uint8Array(0) })],
  [
    /^POST \/images\/.*\/push$/,
    () => ({
      lines: [
        { status: "The push refers to repository [reg.example/app]" },
        { errorDetail: { message: "denied" }, error: "denied" },
      ],
    }),
  ],
  [/^POST \/images\/load$/, () => ({ lines: [{ stream: "Loaded image: nginx:1.27\n" }] })],
  [/^POST \/build$/, ({ query }) => ({ lines: query["target"]?.[0] === "fail" ? failedBuild : build })],
  [/^POST \/networks\/bridge\//, () => ({ bytes: new Uint8Array(0) })],
  [/^POST \/commit$/, () => ({ status: 201, json: { Id: `sha256:${id("e")}` } })],
  [/^GET \/networks\/bridge$/, () => ({ json: networks[1] })],
  [/^POST \/networks\/create$/, () => ({ status: 201, json: { Id: id("6"), Warning: "" } })],
  [/^DELETE \/networks\/bridge$/, () => nothing],
  [/^GET \/volumes\/data$/, () => ({ json: volumes[0] })],
  [/^POST \/volumes\/create$/, () => ({ status: 201, json: volumes[0] })],
  [/^DELETE \/volumes\/data$/, () => nothing],
  [
    /^GET \/plugins$/,
    ({ query }) => ({
      json: (query["filters"]?.[0] ?? "").includes("nothing")
        ? []
        : [plugin("shelf10", false), plugin("shelf9", true)],
    }),
  ],
  [
    /^GET \/plugins\/privileges$/,
    ({ query }) => ({ json: query["remote"]?.[0]?.includes("modest") ? [] : privileges }),
  ],
  [
    /^POST \/plugins\/pull$/,
    ({ query }) => ({
      lines: pluginLines,
      headers: {
        "Docker-Plugin-Name":
          query["name"]?.[0] || `${query["remote"]?.[0]?.replace("docker.io/", "") ?? ""}:latest`,
      },
    }),
  ],
  [/^GET \/plugins\/shelf\/json$/, () => ({ json: plugin("shelf", false) })],
  [/^GET \/plugins\/busy\/json$/, () => ({ json: plugin("busy", true) })],
  [/^POST \/plugins\/me\/shelf:latest\/(?:upgrade|push)$/, () => ({ lines: pluginLines })],
  [/^(?:POST|DELETE) \/plugins\/(?:shelf|me\/(?:shelf|modest):latest)(?:\/\w+)?$/, () => nothing],
  [/^POST \/plugins\/other:latest\/\w+$/, () => nothing],
  [/^POST \/plugins\/create$/, () => nothing],
  [
    / \/containers\/([^/]+)/,
    ({ path }) => missing(`No such container: ${decodeURIComponent(path.split("/")[2] ?? "")}`),
  ],
  [
    / \/images\/([^/]+)/,
    ({ path }) => missing(`No such image: ${decodeURIComponent(path.split("/")[2] ?? "")}:latest`),
  ],
  [/ \/networks\/([^/]+)/, ({ path }) => missing(`network ${path.split("/")[2]} not found`)],
  [/ \/volumes\/([^/]+)/, ({ path }) => missing(`get ${path.split("/")[2]}: no such volume`)],
  [/ \/plugins\/([^/]+)/, ({ path }) => missing(`plugin "${path.split("/")[2]}" not found`)],
];

function listContainers(query: FakeRequest["query"]): unknown[] {
  const filters = query["filters"]?.[0] ?? "";
  if (filters.includes("nothing")) return [];
  if (filters.includes("fixed")) return [{ ...web(), Created: 1_704_164_645 }];
  return query["all"]?.[0] === "1" ? [web(), job()] : [web()];
}

function createAnswer(body: string): Answer {
  const { Image } = JSON.parse(body) as { Image: string };
  if (Image === "conflict")
    return { status: 409, json: { message: 'Conflict. The container name "/web" is already in use' } };
  if (Image === "noexec")
    return { status: 400, json: { message: 'exec: "nope": executable file not found in $PATH: unknown' } };
  if (Image === "noaccess")
    return { status: 400, json: { message: 'exec: "/etc": permission denied: unknown' } };
  if (Image === "private/x") return missing("No such image: private/x:latest");
  return {
    status: 201,
    json: { Id: id("c"), Warnings: Image === "warned" ? ["kernel lacks swap limits"] : [] },
  };
}

/** Starts the daemon on the socket. */
export async function startFakeDaemon(socketPath: string): Promise<FakeDaemon> {
  const requests: FakeRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://fake");
      const path = url.pathname.replace(/^\/v[0-9.]+/, "");
      const query: Record<string, string[]> = {};
      for (const [key, value] of url.searchParams) query[key] = [...(query[key] ?? []), value];
      const { method = "GET", headers } = request;
      const seen = { method, path, query, headers, body: Buffer.concat(chunks).toString() };
      requests.push(seen);
      answer(seen, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: FakeRequest, response: ServerResponse): void {
  response.setHeader("Api-Version", "1.50");
  response.setHeader("Ostype", "linux");
  if (request.path === "/_ping") {
    response.end(request.method === "HEAD" ? undefined : "OK");
    return;
  }
  const key = `${request.method} ${request.path}`;
  const route = routes.find(([pattern]) => pattern.test(key));
  const result = route?.[1](request) ?? { status: 404, json: { message: "page not found" } };
  response.statusCode = result.status ?? 200;
  if ("bytes" in result) {
    response.setHeader("Content-Type", "application/vnd.docker.multiplexed-stream");
    response.end(result.bytes);
  } else {
    response.setHeader("Content-Type", "application/json");
    if ("headers" in result)
      for (const [name, value] of Object.entries(result.headers ?? {})) response.setHeader(name, value);
    response.end(
      "json" in result
        ? `${JSON.stringify(result.json)}\n`
        : result.lines.map((line) => `${JSON.stringify(line)}\r\n`).join(""),
    );
  }
}
