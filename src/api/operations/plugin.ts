// The operations on managed plugins of the Engine API. (Drivers that run by themselves are no managed plugins.)

import { bytesBody, empty, json, lines, operation, optionalJsonBody } from "../contract.ts";

const schemas = () => import("../schemas/plugin.ts");
const progressLine = async () => (await import("../schemas/progress.ts")).progressLine;
const registryAuth = { kind: "auth", wire: "X-Registry-Auth" } as const;

export const pluginList = operation({
  name: "PluginList",
  method: "GET",
  path: "/plugins",
  query: { filters: "filters" },
  success: json(async () => (await schemas()).pluginList),
});

export const getPluginPrivileges = operation({
  name: "GetPluginPrivileges",
  method: "GET",
  path: "/plugins/privileges",
  query: { remote: "text" },
  headers: { registryAuth },
  success: json(async () => (await schemas()).pluginPrivileges),
  errors: [404],
});

/** The header Docker-Plugin-Name of the answer says what the plugin is called here. */
export const pluginPull = operation({
  name: "PluginPull",
  method: "POST",
  path: "/plugins/pull",
  query: { remote: "text", name: "text" },
  headers: { registryAuth },
  body: optionalJsonBody(async () => (await schemas()).pluginPrivileges),
  success: lines(progressLine),
  errors: [404, 409],
});

export const pluginCreate = operation({
  name: "PluginCreate",
  method: "POST",
  path: "/plugins/create",
  query: { name: "text" },
  body: bytesBody(),
  success: empty(204),
  errors: [409],
});

export const pluginInspect = operation({
  name: "PluginInspect",
  method: "GET",
  path: "/plugins/{name}/json",
  success: json(async () => (await schemas()).plugin),
  errors: [404],
});

export const pluginDelete = operation({
  name: "PluginDelete",
  method: "DELETE",
  path: "/plugins/{name}",
  query: { force: "bool" },
  success: json(async () => (await schemas()).plugin),
  errors: [404, 409],
});

export const pluginEnable = operation({
  name: "PluginEnable",
  method: "POST",
  path: "/plugins/{name}/enable",
  /** Seconds. */
  query: { timeout: "int" },
  success: empty(200),
  errors: [404, 409],
});

export const pluginDisable = operation({
  name: "PluginDisable",
  method: "POST",
  path: "/plugins/{name}/disable",
  query: { force: "bool" },
  success: empty(200),
  errors: [404, 409],
});

export const pluginUpgrade = operation({
  name: "PluginUpgrade",
  method: "POST",
  path: "/plugins/{name}/upgrade",
  since: "1.26",
  query: { remote: "text" },
  headers: { registryAuth },
  body: optionalJsonBody(async () => (await schemas()).pluginPrivileges),
  success: lines(progressLine),
  errors: [404, 409],
});

export const pluginPush = operation({
  name: "PluginPush",
  method: "POST",
  path: "/plugins/{name}/push",
  headers: { registryAuth },
  success: lines(progressLine),
  errors: [404],
});

export const pluginSet = operation({
  name: "PluginSet",
  method: "POST",
  path: "/plugins/{name}/set",
  body: optionalJsonBody(async () => (await schemas()).settings),
  success: empty(204),
  errors: [404, 409],
});
