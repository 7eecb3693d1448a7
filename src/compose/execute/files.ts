// Secrets and configs whose content is known here (`content`, `environment`) are written into the container before it runs;
// those from files are mounts.

import { putContainerArchive } from "../../api/operations/container.ts";
import { Fault } from "../../lib/errors.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../lib/tar/writer.ts";
import type { FileReference, Project, Service } from "../model/project.ts";
import type { Work } from "./work.ts";

interface Content {
  readonly name: string;
  readonly content?: string;
  readonly environment?: string;
}

/** Writes a service's secrets and configs into its new container. Throws a Fault for a variable that is not set. */
export async function putFiles(work: Work, project: Project, service: Service, id: string): Promise<void> {
  const files = [
    ...(service.secrets ?? []).map((file) => entryOf("secret", file, project.secrets, "/run/secrets/")),
    ...(service.configs ?? []).map((file) => entryOf("config", file, project.configs, "/")),
  ].filter((file) => file !== undefined);
  if (files.length === 0) return;
  if (service.read_only === true) {
    throw new Fault(
      "invalidParameter",
      `cannot create ${files[0]?.what} ${JSON.stringify(files[0]?.name)} in read-only service ${service.name}: ` +
        "`file` is the sole supported option",
      { code: "compose.read-only" },
    );
  }
  const blocks = files.flatMap(({ header, bytes }) => [header, bytes, tarPadding(bytes.length)]);
  await work.client.call(
    putContainerArchive,
    { id, path: "/", copyUIDGID: files.some(({ hasOwner }) => hasOwner) },
    { upload: Buffer.concat([...blocks, TAR_END]) },
  );
}

function entryOf(
  what: "secret" | "config",
  file: FileReference,
  specs: Readonly<Record<string, Content>>,
  directory: string,
) {
  const { source = "", target = source, uid, gid, mode = 0o444 } = file;
  const spec = specs[source];
  const { content, environment, name = source } = spec ?? {};
  if (content === undefined && environment !== undefined) {
    throw new Fault(
      "invalidParameter",
      `environment variable ${JSON.stringify(environment)} required by ${what} ${JSON.stringify(name)} is not set`,
      { code: "compose.variable" },
    );
  }
  if (content === undefined || content === "") return undefined;
  const bytes = Buffer.from(content);
  const path = target.startsWith("/") ? target : `${directory}${target}`;
  const header = tarHeader(
    tarEntry({
      type: "file",
      name: path.replace(/^\/+/, ""),
      mode,
      sizeBytes: bytes.length,
      uid: numberOf(uid),
      gid: numberOf(gid),
      mtimeSec: Math.floor(Date.now() / 1000),
    }),
  );
  return { what, name, header, bytes, hasOwner: uid !== undefined || gid !== undefined };
}

function numberOf(id: string | undefined): number {
  if (id === undefined) return 0;
  if (/^[0-9]+$/.test(id)) return Number(id);
  throw new Fault("invalidParameter", `user or group id ${JSON.stringify(id)} is not a number`, {
    code: "compose.owner",
  });
}
