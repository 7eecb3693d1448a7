// `inspect` of whatever the name belongs to: containers first, then images, networks, volumes, and the objects of swarms
// and plugins.

import type { Client } from "../../../api/client.ts";
import { operation } from "../../../api/contract.ts";
import { containerInspect } from "../../../api/operations/container.ts";
import { imageInspect } from "../../../api/operations/image.ts";
import { networkInspect } from "../../../api/operations/network.ts";
import { systemInfo } from "../../../api/operations/system.ts";
import { volumeInspect } from "../../../api/operations/volume.ts";
import { Fault } from "../../../lib/errors.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { complain } from "../../failure.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { type Found, inspectAll, schemaOf } from "../../inspect.ts";
import { printError } from "../../output.ts";
import { table } from "../../../lib/table.ts";

interface Kind {
  readonly isSwarm?: boolean;
  readonly hasSize?: boolean;
  find(client: Client, name: string, size: boolean): Promise<Found>;
}

const byPath = (name: string, path: string) => {
  const read = operation({ name, method: "GET", path, success: { kind: "text", status: 200 } });
  return async (client: Client, id: string): Promise<Found> => ({
    text: await client.call(read, { id } as never),
  });
};

const kinds: Readonly<Record<string, Kind>> = table({
  container: {
    hasSize: true,
    find: async (client, id, size) => ({
      text: await client.text(containerInspect, { id, size }),
      schema: schemaOf(containerInspect),
    }),
  },
  image: {
    find: async (client, name) => ({
      text: await client.text(imageInspect, { name }),
      schema: schemaOf(imageInspect),
    }),
  },
  network: {
    find: async (client, id) => ({
      text: await client.text(networkInspect, { id }),
      schema: schemaOf(networkInspect),
      hasTimes: true,
    }),
  },
  volume: {
    find: async (client, name) => ({
      text: await client.text(volumeInspect, { name }),
      schema: schemaOf(volumeInspect),
    }),
  },
  service: { isSwarm: true, find: byPath("ServiceInspect", "/services/{id}") },
  task: { isSwarm: true, find: byPath("TaskInspect", "/tasks/{id}") },
  node: { isSwarm: true, find: byPath("NodeInspect", "/nodes/{id}") },
  plugin: { find: byPath("PluginInspect", "/plugins/{id}/json") },
  secret: { isSwarm: true, find: byPath("SecretInspect", "/secrets/{id}") },
  config: { isSwarm: true, find: byPath("ConfigInspect", "/configs/{id}") },
});

export const command = defineCommand({
  operands: "[OPTIONS] NAME|ID [NAME|ID...]",
  arity: atLeast(1),
  flags: {
    format: string(inspectFormatUsage, { short: "f" }),
    size: bool("Display total file sizes if the type is container", { short: "s" }),
    type: string("Only inspect objects of the given type"),
  },
  async run(session, { args, flags }) {
    const wanted = flags.type === "" ? Object.keys(kinds) : [flags.type];
    if (!Object.hasOwn(kinds, wanted[0] ?? "")) {
      const names = Object.keys(kinds).sort().join('", "');
      throw complain(`unknown type: ${JSON.stringify(flags.type)}: must be one of "${names}"`);
    }
    const client = await session.client();
    let isManager: Promise<boolean> | undefined;
    await inspectAll(args, flags.format, async (name) => {
      for (const type of wanted) {
        const kind = kinds[type] as Kind;
        if (wanted.length > 1 && kind.isSwarm === true) {
          isManager ??= isSwarmManager(client);
          if (!(await isManager)) continue;
        }
        try {
          const found = await kind.find(client, name, flags.size);
          if (flags.size && kind.hasSize !== true) printError(`WARNING: --size ignored for ${type}\n`);
          return found;
        } catch (error) {
          if (wanted.length === 1 || !isSkippable(error)) throw error;
        }
      }
      throw complain(`Error: No such object: ${name}`);
    });
  },
});

function isSkippable(error: unknown): boolean {
  if (!(error instanceof Fault)) return false;
  return (
    error.kind === "notFound" ||
    error.kind === "notImplemented" ||
    /not supported|invalid reference format/.test(error.message)
  );
}

async function isSwarmManager(client: Client): Promise<boolean> {
  const info = (await client.call(systemInfo, {})) as {
    readonly Swarm?: { readonly ControlAvailable?: boolean };
  };
  return info.Swarm?.ControlAvailable === true;
}
