// Creates a container on all of its networks, which older daemons connect one after the other.

import { containerCreate, containerDelete } from "../../api/operations/container.ts";
import { networkConnect } from "../../api/operations/network.ts";
import type { Service } from "../model/project.ts";
import { orNothing } from "../observe/observe.ts";
import type { ContainerRequest } from "../request/container.ts";
import type { Work } from "./work.ts";

/** Creates the container; returns its id. */
export async function createConnected(
  work: Work,
  service: Service,
  request: ContainerRequest,
  named: { readonly name?: string; readonly platform?: string | undefined } = {},
): Promise<string> {
  const { client } = work;
  const body = withNetworks(work, service, request);
  const { Id: id, Warnings: warnings } = await client.call(containerCreate, { ...named, body });
  for (const warning of warnings ?? [])
    work.progress.on({ id: service.name, text: warning, status: "warning" });
  if (!work.isOldApi) return id;
  try {
    await connectOthers(work, id, request);
  } catch (error) {
    await orNothing(client.call(containerDelete, { id, force: true }));
    throw error;
  }
  return id;
}

function withNetworks(
  work: Work,
  service: Service,
  { body, networking }: ContainerRequest,
): ContainerRequest["body"] {
  const { mode, endpoints } = networking;
  if (!work.isOldApi) return { ...body, NetworkingConfig: { EndpointsConfig: { ...endpoints } } };
  // compat: before 1.44 the daemon takes one network, and the MAC address is the container's.
  const main = endpoints[mode];
  const mac = main?.MacAddress ?? service.mac_address;
  return {
    ...body,
    ...(mac === undefined || mac === "" ? {} : { MacAddress: mac }),
    ...(main === undefined ? {} : { NetworkingConfig: { EndpointsConfig: { [mode]: main } } }),
  };
}

async function connectOthers(work: Work, id: string, { networking }: ContainerRequest): Promise<void> {
  for (const [network, EndpointConfig] of Object.entries(networking.endpoints)) {
    if (network === networking.mode) continue;
    await work.client.call(networkConnect, { id: network, body: { Container: id, EndpointConfig } });
  }
}
