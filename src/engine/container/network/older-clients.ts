// What a create request says of networks and ports in the words of its API version, in those of the newest. Pure.
import type { ContainerCreateRequest } from "../../../api/schemas/container.ts";
import type { EndpointSettingsRequest } from "../../../api/schemas/endpoint.ts";
import type { HostConfigRequest } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { isAtLeast } from "../../../lib/version-order.ts";

/** A request, and what its client is told of it. */
export interface AdaptedRequest {
  readonly body: ContainerCreateRequest;
  readonly warnings: readonly string[];
}

/**
 * Returns the request with the container-wide MAC address, which clients before 1.52 may give, at the endpoint that it is of,
 * and with every port bound. Fails with invalidParameter. compat: newer clients' container-wide address is an unknown field.
 */
export function adaptNetworks(request: ContainerCreateRequest, version: string): AdaptedRequest {
  const { MacAddress, ...body } = request;
  const adapted = isAtLeast(version, "1.52")
    ? { body, warnings: [] }
    : withMac(body, MacAddress ?? "", version);
  const empty = emptyBindings(body.HostConfig?.PortBindings);
  return {
    body: { ...adapted.body, HostConfig: withBindings(body.HostConfig, empty) },
    warnings: [
      ...adapted.warnings,
      ...(empty.length > 0 && isAtLeast(version, "1.52")
        ? [
            `Following container port(s) have an empty list of port-bindings: ${empty.join(", ")}. Such bindings will be discarded in a future version.`,
          ]
        : []),
    ],
  };
}

function withMac(body: ContainerCreateRequest, mac: string, version: string): AdaptedRequest {
  const isBefore144 = !isAtLeast(version, "1.44");
  if (mac === "") return { body: isBefore144 ? withoutMacs(body) : body, warnings: [] };
  const mode = body.HostConfig?.NetworkMode || "default";
  const hasEndpoint = mode !== "host" && mode !== "none" && !mode.startsWith("container:");
  if (isBefore144) {
    if (!hasEndpoint) throw invalid("conflicting options: mac-address and the network mode");
    return { body: withEndpoint(body, keyOf(body, mode, version), { MacAddress: mac }), warnings: [] };
  }
  const warnings = [
    "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.",
  ];
  if (!hasEndpoint) return { body, warnings };
  const key = keyOf(body, mode, version);
  const own = body.NetworkingConfig?.EndpointsConfig?.[key]?.MacAddress;
  if (own && own.toLowerCase() !== mac.toLowerCase())
    throw invalid(
      "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
    );
  return { body: withEndpoint(body, key, { MacAddress: mac }), warnings };
}

/** Which endpoint the container-wide settings are of. Fails with invalidParameter. */
function keyOf(body: ContainerCreateRequest, mode: string, version: string): string {
  const keys = Object.keys(body.NetworkingConfig?.EndpointsConfig ?? {});
  const [only] = keys;
  if (only === undefined) return mode;
  if (!isAtLeast(version, "1.44")) return only;
  if (keys.includes(mode)) return mode;
  if (mode === "default" && keys.includes("bridge")) return "bridge";
  throw invalid(
    "unable to migrate container-wide MAC address to a specific network: HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks",
  );
}

function withEndpoint(
  body: ContainerCreateRequest,
  key: string,
  settings: EndpointSettingsRequest,
): ContainerCreateRequest {
  const endpoints = body.NetworkingConfig?.EndpointsConfig ?? {};
  const EndpointsConfig = { ...endpoints, [key]: { ...endpoints[key], ...settings } };
  return { ...body, NetworkingConfig: { ...body.NetworkingConfig, EndpointsConfig } };
}

/** compat: endpoints had no address of their own before 1.44. */
function withoutMacs(body: ContainerCreateRequest): ContainerCreateRequest {
  const endpoints = Object.entries(body.NetworkingConfig?.EndpointsConfig ?? {});
  if (endpoints.every(([, settings]) => !settings?.MacAddress)) return body;
  const bare = endpoints.map(([name, settings]) => [
    name,
    settings === null ? null : { ...settings, MacAddress: "" },
  ]);
  return {
    ...body,
    NetworkingConfig: { ...body.NetworkingConfig, EndpointsConfig: Object.fromEntries(bare) },
  };
}

const emptyBindings = (bindings: HostConfigRequest["PortBindings"]): string[] =>
  Object.entries(bindings ?? {}).flatMap(([port, list]) => ((list?.length ?? 0) === 0 ? [port] : []));

/** compat: a port with no binding gets one of any address and port. */
function withBindings(
  hostConfig: HostConfigRequest | null | undefined,
  ports: readonly string[],
): HostConfigRequest | null | undefined {
  if (ports.length === 0) return hostConfig;
  const any = Object.fromEntries(ports.map((port) => [port, [{ HostIp: "", HostPort: "" }]]));
  return { ...hostConfig, PortBindings: { ...hostConfig?.PortBindings, ...any } };
}

const invalid = (message: string): Fault =>
  new Fault("invalidParameter", message, { code: "container.mac-address" });
