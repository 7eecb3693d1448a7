// The network operations of the Engine API.

import { created, empty, json, jsonBody, operation } from "../contract.ts";

const schemas = () => import("../schemas/network.ts");

export const networkList = operation({
  name: "NetworkList",
  method: "GET",
  path: "/networks",
  query: { filters: "filters" },
  success: json(async () => (await schemas()).networkSummaries),
});

export const networkInspect = operation({
  name: "NetworkInspect",
  method: "GET",
  path: "/networks/{id}",
  query: { verbose: "goBool", scope: "text" },
  success: json(async () => (await schemas()).networkInspect),
  errors: [404],
});

export const networkCreate = operation({
  name: "NetworkCreate",
  method: "POST",
  path: "/networks/create",
  body: jsonBody(async () => (await schemas()).networkCreateRequest),
  success: created(async () => (await schemas()).networkCreateResponse),
  errors: [403, 404, 409],
});

export const networkDelete = operation({
  name: "NetworkDelete",
  method: "DELETE",
  path: "/networks/{id}",
  success: empty(204),
  errors: [403, 404],
});

export const networkConnect = operation({
  name: "NetworkConnect",
  method: "POST",
  path: "/networks/{id}/connect",
  body: jsonBody(async () => (await schemas()).networkConnectRequest),
  success: empty(200),
  errors: [403, 404],
});

export const networkDisconnect = operation({
  name: "NetworkDisconnect",
  method: "POST",
  path: "/networks/{id}/disconnect",
  body: jsonBody(async () => (await schemas()).networkDisconnectRequest),
  success: empty(200),
  errors: [403, 404],
});

export const networkPrune = operation({
  name: "NetworkPrune",
  method: "POST",
  path: "/networks/prune",
  since: "1.25",
  query: { filters: "filters" },
  success: json(async () => (await schemas()).networksPrune),
  errors: [409],
});
