// A service as the request that creates one of its containers.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { ContainerCreateRequest, HealthConfig } from "../../api/schemas/container.ts";
import { Fault } from "../../lib/errors.ts";
import { serviceHash } from "../model/hash.ts";
import { imageOf, type Project, type Service } from "../model/project.ts";
import { label } from "../observe/labels.ts";
import { type Mounts, mountsOf, type Predecessor } from "./mounts.ts";
import { exposedPortsOf, type Networking, networkingOf, portBindingsOf } from "./networking.ts";
import { resourcesOf, restartPolicyOf } from "./resources.ts";

export interface RequestOptions {
  /** The container's number within its service; 0 for a container of `run`. */
  readonly number: number;
  /** Id of the image, for the label by which a newer one is noticed. */
  readonly imageId: string | undefined;
  readonly predecessor?: Predecessor | undefined;
  readonly links?: readonly string[];
  readonly isOneOff?: boolean;
  readonly slug?: string;
  readonly attachesStdin?: boolean;
  readonly autoRemove?: boolean;
  readonly usesAliases?: boolean;
  /** Name of the container that this one replaces. */
  readonly replaces?: string | undefined;
  /** Published ports come later, from the container that this one replaces. */
  readonly withholdsPorts?: boolean;
  /** Variables of the client's proxy settings. */
  readonly proxies?: Readonly<Record<string, string>>;
  /** Release that the labels name. */
  readonly version: string;
}

export interface ContainerRequest {
  readonly body: ContainerCreateRequest;
  readonly networking: Networking;
}

/** Returns the request, whose service has its references to other services resolved. Throws a Fault for what cannot be. */
export function containerRequest(
  project: Project,
  service: Service,
  options: RequestOptions,
): ContainerRequest {
  const { number, links = [], attachesStdin = false } = options;
  const networking = networkingOf(project, service, {
    number,
    links,
    usesAliases: options.usesAliases ?? true,
  });
  const mounts = mountsOf(project, service, options.predecessor);
  const environment = { ...options.proxies, ...service.environment };
  const isOpen = service.stdin_open ?? false;
  return {
    networking,
    body: {
      Hostname: service.hostname ?? "",
      Domainname: service.domainname ?? "",
      User: service.user ?? "",
      ExposedPorts: exposedPortsOf(service),
      Tty: service.tty ?? false,
      OpenStdin: isOpen,
      StdinOnce: attachesStdin && isOpen,
      AttachStdin: attachesStdin,
      AttachStdout: true,
      AttachStderr: true,
      Cmd: listOrNull(service.command),
      Entrypoint: listOrNull(service.entrypoint),
      Image: imageOf(project, service),
      WorkingDir: service.working_dir ?? "",
      Labels: labelsOf(project, service, options),
      Env: Object.entries(environment)
        .map(([name, value]) => (value === null ? name : `${name}=${value}`))
        .sort(),
      ...(service.network_mode === "disabled" ? { NetworkDisabled: true } : {}),
      ...(service.stop_signal === undefined ? {} : { StopSignal: service.stop_signal }),
      ...(service.stop_grace_period === undefined
        ? {}
        : { StopTimeout: Math.floor(service.stop_grace_period / 1e9) }),
      ...(service.healthcheck === undefined ? {} : { Healthcheck: healthcheckOf(service.healthcheck) }),
      HostConfig: hostConfigOf(project, service, { options, networking, mounts, links }),
    },
  };
}

interface HostConfigParts {
  readonly options: RequestOptions;
  readonly networking: Networking;
  readonly mounts: Mounts;
  readonly links: readonly string[];
}

function hostConfigOf(
  project: Project,
  service: Service,
  { options, networking, mounts, links }: HostConfigParts,
): ContainerCreateRequest["HostConfig"] {
  const { securityOptions, isUnconfined } = securityOf(project, service);
  const tmpfs = (service.tmpfs ?? []).map((spec) => {
    const colon = spec.indexOf(":");
    return colon < 0 ? [spec, ""] : [spec.slice(0, colon), spec.slice(colon + 1)];
  });
  return {
    AutoRemove: options.autoRemove ?? false,
    Annotations: service.annotations ?? {},
    Binds: [...mounts.binds],
    Mounts: [...mounts.mounts],
    CapAdd: listOrNull(service.cap_add),
    CapDrop: listOrNull(service.cap_drop),
    NetworkMode: networking.mode,
    ...(service.init === undefined ? {} : { Init: service.init }),
    IpcMode: service.ipc ?? "",
    CgroupnsMode: service.cgroup ?? "",
    ReadonlyRootfs: service.read_only ?? false,
    RestartPolicy: restartPolicyOf(service),
    ShmSize: service.shm_size ?? 0,
    Sysctls: service.sysctls ?? {},
    PortBindings: options.withholdsPorts === true ? {} : portBindingsOf(service.ports),
    ...resourcesOf(service),
    VolumesFrom: listOrNull(service.volumes_from),
    Dns: listOrNull(service.dns),
    DnsSearch: listOrNull(service.dns_search),
    DnsOptions: listOrNull(service.dns_opt),
    ExtraHosts: extraHostsOf(service.extra_hosts),
    SecurityOpt: securityOptions,
    ...(service.storage_opt === undefined ? {} : { StorageOpt: service.storage_opt }),
    UsernsMode: service.userns_mode ?? "",
    UTSMode: service.uts ?? "",
    Privileged: service.privileged ?? false,
    PidMode: service.pid ?? "",
    Tmpfs: Object.fromEntries(tmpfs),
    Isolation: service.isolation ?? "",
    ...(service.runtime === undefined ? {} : { Runtime: service.runtime }),
    LogConfig: { Type: service.logging?.driver ?? "", Config: { ...service.logging?.options } },
    GroupAdd: listOrNull(service.group_add),
    Links: [...links],
    OomScoreAdj: service.oom_score_adj ?? 0,
    ...(isUnconfined ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
  };
}

/** `host:address` lines, as the API wants them. */
export function extraHostsOf(hosts: Readonly<Record<string, readonly string[]>> = {}): string[] {
  return Object.entries(hosts).flatMap(([host, addresses]) =>
    addresses.map((address) => `${host}:${address}`),
  );
}

function listOrNull(list: readonly string[] | undefined): string[] | null {
  return list === undefined ? null : [...list];
}

function labelsOf(project: Project, service: Service, options: RequestOptions): Record<string, string> {
  const dependencies = Object.entries(service.depends_on ?? {}).map(
    ([name, { condition, restart = false }]) => `${name}:${condition}:${restart}`,
  );
  return {
    ...service.labels,
    [label.project]: project.name,
    [label.service]: service.name,
    [label.version]: options.version,
    [label.workingDir]: project.directory,
    [label.configFiles]: project.files.join(","),
    [label.oneOff]: options.isOneOff === true ? "True" : "False",
    [label.configHash]: serviceHash(service),
    [label.dependsOn]: dependencies.join(","),
    ...(project.envFiles.length === 0 ? {} : { [label.environmentFile]: project.envFiles.join(",") }),
    ...(options.number > 0 ? { [label.number]: String(options.number) } : {}),
    ...(options.imageId === undefined ? {} : { [label.image]: options.imageId }),
    ...(options.slug === undefined ? {} : { [label.slug]: options.slug }),
    ...(options.replaces === undefined ? {} : { [label.replace]: options.replaces }),
  };
}

function healthcheckOf(check: NonNullable<Service["healthcheck"]>): HealthConfig {
  return {
    ...(check.disable === true
      ? { Test: ["NONE"] }
      : check.test === undefined
        ? {}
        : { Test: [...check.test] }),
    ...(check.interval === undefined ? {} : { Interval: check.interval }),
    ...(check.timeout === undefined ? {} : { Timeout: check.timeout }),
    ...(check.start_period === undefined ? {} : { StartPeriod: check.start_period }),
    ...(check.start_interval === undefined ? {} : { StartInterval: check.start_interval }),
    ...(check.retries === undefined ? {} : { Retries: check.retries }),
  };
}

/** Profiles in files are sent as their text; unconfined system paths are fields of their own. */
function securityOf(
  project: Project,
  { security_opt: options = [] }: Service,
): { securityOptions: string[] | null; isUnconfined: boolean } {
  let isUnconfined = false;
  const securityOptions: string[] = [];
  for (const option of options) {
    if (option === "systempaths=unconfined") {
      isUnconfined = true;
      continue;
    }
    const [, name = option, value = ""] = /^([^=:]+)[=:](.*)$/s.exec(option) ?? [];
    if (name === option && option !== "no-new-privileges")
      throw new Fault("invalidParameter", `invalid security-opt: ${JSON.stringify(option)}`, {
        code: "compose.security-opt",
      });
    const isFile = name === "seccomp" && value !== "unconfined" && value !== "builtin";
    securityOptions.push(isFile ? `seccomp=${readProfile(project, value)}` : option);
  }
  return { securityOptions: securityOptions.length === 0 ? null : securityOptions, isUnconfined };
}

function readProfile(project: Project, path: string): string {
  try {
    return JSON.stringify(JSON.parse(readFileSync(resolve(project.directory, path), "utf8")));
  } catch (cause) {
    throw new Fault(
      "invalidParameter",
      `opening seccomp profile (${path}) failed: ${(cause as Error).message}`,
      {
        code: "compose.security-opt",
        cause,
      },
    );
  }
}
