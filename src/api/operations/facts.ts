// What is not Docker's: facts that `explain` needs and that no operation of Docker's tells. Read only.

import { json, operation } from "../contract.ts";

const schemas = () => import("../schemas/facts.ts");

export const containerFacts = operation({
  name: "ContainerFacts",
  method: "GET",
  path: "/berth/containers/{id}/facts",
  success: json(async () => (await schemas()).containerFacts),
  errors: [404],
});

export const portFacts = operation({
  name: "PortFacts",
  method: "GET",
  path: "/berth/ports/{port}",
  success: json(async () => (await schemas()).portFacts),
});

export const diskFacts = operation({
  name: "DiskFacts",
  method: "GET",
  path: "/berth/disk",
  success: json(async () => (await schemas()).diskFacts),
});
