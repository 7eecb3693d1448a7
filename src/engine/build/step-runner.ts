// Runs one RUN step in a container that exists only for it: no record, no log, gone with the step. The same plan, agent and
// shim as for any other container.
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { StepLimits, StepRequest, StepRunner, StepTerminal } from "../../build/solver/ports.ts";
import { Fault } from "../../lib/errors.ts";
import { FrameDecoder } from "../../lib/frames.ts";
import { removeTree } from "../../linux/remove-tree.ts";
import type { IdMap } from "../../linux/idmap.ts";
import { HOST_NS, host, type Op, type Register, type RootSource } from "../../linux/ops.ts";
import { openHostNamespace } from "../../net/sandbox/endpoint.ts";
import {
  bridgeResolvConf,
  type ContainerResolvConf,
  type DnsOverrides,
  hostResolvConf,
  loadHostResolvConf,
  loadResolvConf,
  serviceResolvConf,
} from "../../net/dns/resolv-conf.ts";
import { hostnameFile, hostsFile } from "../../net/sandbox/hosts-file.ts";
import { withCdiDevices } from "../../runtime/cdi/inject.ts";
import { loadCdiDevices } from "../../runtime/cdi/load.ts";
import { type CgroupPlan, containerCgroup, planCgroup } from "../../runtime/cgroup/plan.ts";
import { planContainer } from "../../runtime/plan/plan.ts";
import { makeUserns, USERNS } from "../../runtime/plan/userns.ts";
import { connectShim, openAttach, openShimEvents, type ShimExit } from "../../runtime/shim/client.ts";
import { generateSpec } from "../../runtime/spec/generate.ts";
import { loadSpecHost } from "../../runtime/spec/host.ts";
import type { OciResources, OciSpec } from "../../runtime/spec/oci.ts";
import type { SpecBind, SpecResources } from "../../runtime/spec/input.ts";
import type { ContainerContext } from "../container/context.ts";
import { endpointOf } from "../container/network/endpoints.ts";
import { startNameService } from "../container/network/name-service.ts";
import { attachedTo } from "../container/network/sandbox.ts";
import { adoptScope, type CgroupPlace, endScope, newCgroupPlace } from "../container/run/cgroup.ts";
import { lastExit } from "../container/run/lost.ts";
import { killShim } from "../container/run/start.ts";
import { isPredefined } from "../network/record.ts";
import type { PlannedEndpoint } from "../network/service.ts";
import { makeStepMounts, rootAbove, type StepMounts } from "./step-mounts.ts";

const NETNS: Register = 0;
const SIGKILL = 9;

type Context = Pick<
  ContainerContext,
  | "keel"
  | "layers"
  | "nameService"
  | "networks"
  | "cgroups"
  | "cgroupParent"
  | "systemd"
  | "paths"
  | "log"
  | "idMap"
  | "security"
  | "cdiSpecDirs"
>;

/** Files of a step on the host: what is bound into its container. */
interface StepFiles {
  etc: { hostname: string; hosts: string; resolvConf: string };
  binds: SpecBind[];
  /** What its user should know of them. */
  warnings: readonly string[];
}

export class ContainerStepRunner implements StepRunner {
  readonly #context: Context;
  readonly #scratchRoot: string;

  /** `scratchRoot` is an existing private directory. */
  constructor(context: Context, scratchRoot: string) {
    this.#context = context;
    this.#scratchRoot = scratchRoot;
  }

  async run(request: StepRequest): Promise<{ exitCode: number }> {
    await using stack = new AsyncDisposableStack();
    const dir = await mkdtemp(join(this.#scratchRoot, "step-"));
    stack.defer(() => removeTree(dir));
    const endpoint = await this.#planNetwork(request, stack);
    const files = await writeStepFiles(request, dir, endpoint, this.#context.nameService.defaults);
    const mounts = await makeStepMounts(request.mounts, dir, stack);
    for (const w of files.warnings) this.#warn(request, w);
    const place = this.#cgroup(request);
    const { ops, stateDir, socketPath, ...scope } = await this.#plan(request, place, {
      files,
      mounts,
      endpoint,
    });
    request.signal.throwIfAborted();
    const { results } = await this.#context.keel.run(ops);
    stack.defer(() => removeTree(stateDir));
    stack.defer(() => endScope(this.#context, place));
    const [, pid] = results.at(-1) as [shimPid: number, pid: number];
    await orEnded(socketPath, adoptScope(this.#context, place, { pid, ...scope }));
    if (endpoint !== null && !isPredefined(endpoint.network.name)) {
      stack.defer(() => this.#context.nameService.names.remove(request.containerId));
      await this.#giveNames(request, endpoint, { pid, socketPath });
    }
    const exit = await this.#supervise(request, socketPath);
    request.signal.throwIfAborted();
    return { exitCode: exit.exitCode };
  }

  async #planNetwork(request: StepRequest, stack: AsyncDisposableStack): Promise<PlannedEndpoint | null> {
    if (request.network === "none" || request.network === "host") return null;
    const endpoint = await this.#context.networks.planAttach(
      {
        // compat: as in a container's network mode.
        network: request.network === "default" ? "bridge" : request.network,
        containerId: request.containerId,
        containerName: request.containerId.slice(0, 12),
        ifName: "eth0",
        ip: "",
        ip6: "",
        mac: "",
        defaultRoutes: { ipv4: true, ipv6: true },
        ports: [],
      },
      NETNS,
    );
    stack.defer(() => this.#context.networks.detach(endpoint.record));
    return endpoint;
  }

  /** In a network with names the step finds and is found like a container. */
  async #giveNames(
    request: StepRequest,
    endpoint: PlannedEndpoint,
    place: { pid: number; socketPath: string },
  ): Promise<void> {
    const id = request.containerId;
    this.#context.nameService.names.update({
      id,
      name: id.slice(0, 12),
      config: { Hostname: request.hostname },
      hostConfig: { Dns: [], DnsSearch: [], DnsOptions: [] },
      endpoints: [attachedTo(endpointOf(endpoint.network, {}), endpoint)],
    });
    await orEnded(place.socketPath, startNameService(this.#context, id, place));
  }

  #warn(request: StepRequest, warning: string): void {
    this.#context.log("warn", `build step ${request.containerId.slice(0, 12)}: ${warning}`);
  }

  #cgroup(request: StepRequest): CgroupPlace {
    return newCgroupPlace(this.#context, request.limits.cgroupParent, request.containerId);
  }

  async #plan(
    request: StepRequest,
    place: CgroupPlace,
    { files, mounts, endpoint }: { files: StepFiles; mounts: StepMounts; endpoint: PlannedEndpoint | null },
  ): Promise<{ ops: Op[]; stateDir: string; socketPath: string; resources: OciResources; plan: CgroupPlan }> {
    const { paths, cgroups } = this.#context;
    const isHost = request.network === "host";
    const idMap = this.#idMapOf(request);
    const generated = generateSpec({
      ...this.#context.security,
      id: request.containerId,
      args: request.args,
      env: request.env,
      cwd: request.cwd,
      user: request.user,
      hostname: request.hostname,
      ...(request.shmSizeBytes > 0 ? { shmSize: request.shmSizeBytes } : {}),
      binds: [...files.binds, ...mounts.binds].map((b) => ({ ...b, isIdMapped: idMap !== undefined })),
      ...(idMap === undefined ? {} : { idMap }),
      images: mounts.images,
      tmpfs: mounts.tmpfs,
      privileged: request.isInsecure,
      resources: resourcesOf(request.limits),
      ulimits: request.limits.ulimits ?? [],
      ...(request.terminal?.isTty === true ? { tty: true } : {}),
      etcFiles: files.etc,
      namespaces: { net: isHost ? { kind: "host" } : { kind: "private" } },
    });
    const spec = await this.#withDevices(generated.spec, request.devices);
    const asked = spec.linux?.resources ?? {};
    const resources = this.#context.systemd?.limits(asked) ?? asked;
    const cgroup = planCgroup(cgroups, { ...place, resources });
    const stateDir = paths.stateDir(request.containerId);
    const plan = planContainer({
      id: request.containerId,
      spec,
      root: this.#rootOf(request, mounts.skeleton),
      rootTarget: paths.rootTarget(),
      stageTarget: paths.stageTarget(),
      stateDir,
      log: { kind: "none" },
      ...(request.terminal === undefined ? {} : withTerminal(request.terminal)),
      ...(isHost ? {} : { netns: NETNS }),
      cgroup,
      hasBarrier: true,
      isUsernsMade: true,
    });
    const owner = idMap === undefined ? HOST_NS : USERNS;
    const network = isHost
      ? []
      : [host.netnsNew(NETNS, owner), openHostNamespace(), ...(endpoint?.ops ?? [])];
    const userns = idMap === undefined ? [] : [makeUserns(idMap)];
    return {
      ops: [...userns, ...network, ...plan.hostOps, host.shim(plan.shim)],
      stateDir,
      socketPath: paths.socket(request.containerId),
      resources,
      plan: cgroup,
    };
  }

  async #withDevices(spec: OciSpec, ids: readonly string[]): Promise<OciSpec> {
    if (ids.length === 0) return spec;
    return withCdiDevices(spec, ids, await loadCdiDevices(this.#context.cdiSpecDirs), loadSpecHost());
  }

  /** compat: a step in the host's network, or with all privileges, has the host's ids; a container would have to say so. */
  #idMapOf(request: StepRequest): IdMap | undefined {
    return request.network === "host" || request.isInsecure ? undefined : this.#context.idMap;
  }

  #rootOf(request: StepRequest, skeleton: string | undefined): RootSource {
    const { layers } = this.#context;
    return layers.mappedRoot(rootAbove(layers.containerRoot(request.root), skeleton), this.#idMapOf(request));
  }

  async #supervise(request: StepRequest, socketPath: string): Promise<ShimExit> {
    const exit = Promise.withResolvers<ShimExit>();
    using _events = await openShimEvents(socketPath, {
      onExit: exit.resolve,
      onExecExit: () => {},
      onWarning: (w) => this.#warn(request, w),
      onLost: () =>
        exit.resolve(
          lastExit(
            this.#context,
            request.containerId,
            containerCgroup(this.#context.cgroups, this.#cgroup(request)),
          ),
        ),
    });
    const { terminal } = request;
    const hasInput = terminal === undefined ? {} : { stdin: true };
    const { stream } = await openAttach(socketPath, { ...hasInput, stdout: true, stderr: true });
    const shim = await connectShim(socketPath);
    const kill = (): void => {
      shim.signal(SIGKILL, { all: true }).catch(() => {}); // ignored: it has ended by itself
    };
    request.signal.addEventListener("abort", kill, { once: true });
    try {
      const output =
        terminal === undefined ? forwardOutput(stream, request) : connectTerminal(stream, terminal);
      terminal?.onResize((rows, columns) => {
        shim.resize(null, rows, columns).catch(() => {}); // ignored: it has ended by itself
      });
      // A user who is gone needs no shell.
      terminal?.stream.once("close", kill);
      await startStep(shim, request);
      await output;
      return await exit.promise;
    } finally {
      request.signal.removeEventListener("abort", kill);
      stream.destroy();
      shim.close();
    }
  }
}

/** Waits for a part of the start; when it fails the shim ends, which waits at its barrier. */
async function orEnded(socketPath: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    await killShim(socketPath);
    throw error;
  }
}

/** The limits that go into a container's resources. */
function resourcesOf(limits: StepLimits): SpecResources {
  const { ulimits: _, cgroupParent: __, ...resources } = limits;
  return resources;
}

/** compat: the classic builder reports a command that cannot be executed like a start that failed. */
async function startStep(shim: Awaited<ReturnType<typeof connectShim>>, request: StepRequest): Promise<void> {
  try {
    await shim.start();
  } catch (error) {
    const why = error instanceof Error && "text" in error ? String(error.text) : String(error);
    throw new Fault("invalidParameter", `failed to start the step's container: ${why}`, {
      code: "build.step-start",
      detail: { args: request.args },
      cause: error,
    });
  }
}

/** The plan of a step that a user types to. */
function withTerminal({ rows, columns }: StepTerminal) {
  return { stdin: { isOpen: true, isOnce: true }, terminal: { rows, columns } };
}

/** Carries what the user types and what he is shown, until the step's output ends. */
async function connectTerminal(stream: Duplex, { stream: user }: StepTerminal): Promise<void> {
  user.on("error", () => user.destroy()); // "close" follows
  const ends = [stream, user].map((end) => new Promise<void>((resolve) => end.once("close", resolve)));
  // The step's end shows only in what is read, also when nobody looks any more.
  user.once("close", () => stream.resume());
  // What it said last may still be on its way: the user's side closes when it has been shown.
  stream.once("close", () => user.end());
  user.pipe(stream);
  stream.pipe(user);
  await Promise.all(ends);
}

async function forwardOutput(stream: AsyncIterable<Uint8Array>, request: StepRequest): Promise<void> {
  const decoder = new FrameDecoder();
  for await (const chunk of stream)
    for (const frame of decoder.push(chunk))
      request.onOutput(frame.type === 2 ? "stderr" : "stdout", frame.data);
}

async function resolvConfOf(
  { network }: StepRequest,
  endpoint: PlannedEndpoint | null,
  dns: DnsOverrides,
): Promise<ContainerResolvConf> {
  if (network === "host") return hostResolvConf(await loadResolvConf(), dns);
  const hasNames = endpoint !== null && !isPredefined(endpoint.network.name);
  if (hasNames) return serviceResolvConf(await loadResolvConf(), dns);
  return bridgeResolvConf(await loadHostResolvConf(), dns);
}

async function writeStepFiles(
  request: StepRequest,
  dir: string,
  endpoint: PlannedEndpoint | null,
  dns: DnsOverrides,
): Promise<StepFiles> {
  const put = async (name: string, text: string, mode = 0o644): Promise<string> => {
    const path = join(dir, name);
    await writeFile(path, text, { mode });
    return path;
  };
  const extra = request.extraHosts.map((text) => {
    const at = text.search(/[:=]/);
    return { ip: text.slice(at + 1), names: [text.slice(0, at)] };
  });
  const addresses = endpoint === null ? [] : [endpoint.record.ip];
  const resolver = await resolvConfOf(request, endpoint, dns);
  await mkdir(join(dir, "files"));
  const binds = await Promise.all(
    request.files.map(async (f, i) => ({
      source: await put(`files/${i}`, f.content, f.mode),
      destination: f.path,
      readonly: true,
    })),
  );
  return {
    etc: {
      hostname: await put("hostname", hostnameFile(request.hostname)),
      hosts: await put("hosts", hostsFile({ hostname: request.hostname, addresses, extra })),
      resolvConf: await put("resolv.conf", resolver.content),
    },
    binds,
    warnings: resolver.warnings,
  };
}
