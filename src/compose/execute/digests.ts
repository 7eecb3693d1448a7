// Images pinned to the digests that their registries give them now.

import { distributionInspect } from "../../api/operations/system.ts";
import { parseDigest } from "../../oci/digest.ts";
import { canonicalString, parseReference, withDefaultTag } from "../../oci/reference.ts";
import type { Mount, Project, Service } from "../model/project.ts";
import { allDone, type Work } from "./work.ts";

/** Returns the project with every image named in full and by its digest. Throws a Fault for one that no registry knows. */
export async function withDigests(work: Work, project: Project): Promise<Project> {
  const asked = new Map<string, Promise<string>>();
  const resolve = (image: string): Promise<string> => {
    const answer = asked.get(image) ?? pinned(work, image);
    asked.set(image, answer);
    return answer;
  };
  const isService = (name: string): boolean =>
    Object.hasOwn(project.services, name) || Object.hasOwn(project.disabled, name);
  const pinnedMount = async (mount: Mount): Promise<Mount> =>
    mount.type === "image" && mount.source !== undefined && !isService(mount.source)
      ? { ...mount, source: await resolve(mount.source) }
      : mount;
  const services: Record<string, Service> = { ...project.services };
  await allDone(
    Object.entries(services).map(async ([name, service]) => {
      const { image, volumes } = service;
      services[name] = {
        ...service,
        ...(image === undefined ? {} : { image: await resolve(image) }),
        ...(volumes === undefined ? {} : { volumes: await Promise.all(volumes.map(pinnedMount)) }),
      };
    }),
  );
  return { ...project, services };
}

async function pinned({ client, limit, ports }: Work, image: string): Promise<string> {
  const { domain, path, tag, digest } = withDefaultTag(parseReference(image));
  // compat: what has a digest loses its tag, what is given one keeps it.
  if (digest !== undefined) return canonicalString({ domain, path, digest });
  const reference = { domain, path, ...(tag === undefined ? {} : { tag }) };
  const registryAuth = ports.registryAuth(image);
  const { Descriptor } = await limit.run(() =>
    client.call(distributionInspect, { name: canonicalString(reference), registryAuth }),
  );
  return canonicalString({ ...reference, digest: parseDigest(Descriptor.digest) });
}

/** Returns what an override file has to say for the services to have these images. */
export function withImagesOnly(project: Project): Project {
  const services = Object.entries(project.services).map(([key, service]): [string, Service] => {
    const { name, image, volumes = [] } = service;
    const mounts = volumes.filter(({ type }) => type === "image");
    return [key, { name, ...(image === undefined ? {} : { image }), volumes: mounts }];
  });
  const none = { networks: {}, volumes: {}, secrets: {}, configs: {}, models: {}, extensions: {} };
  return { ...project, ...none, name: "", services: Object.fromEntries(services) };
}
