// The operations of a swarm: clusters are not part of this version, but clients ask, and are told as an engine outside of a
// swarm tells them. Parameters and bodies are declared where there is something to do with them.

import { empty, type Method, operation, type OperationSpec } from "../contract.ts";

const declared: readonly [name: string, method: Method, path: string][] = [
  ["SwarmInspect", "GET", "/swarm"],
  ["SwarmInit", "POST", "/swarm/init"],
  ["SwarmJoin", "POST", "/swarm/join"],
  ["SwarmLeave", "POST", "/swarm/leave"],
  ["SwarmUpdate", "POST", "/swarm/update"],
  ["SwarmUnlockkey", "GET", "/swarm/unlockkey"],
  ["SwarmUnlock", "POST", "/swarm/unlock"],
  ["NodeList", "GET", "/nodes"],
  ["NodeInspect", "GET", "/nodes/{id}"],
  ["NodeDelete", "DELETE", "/nodes/{id}"],
  ["NodeUpdate", "POST", "/nodes/{id}/update"],
  ["ServiceList", "GET", "/services"],
  ["ServiceCreate", "POST", "/services/create"],
  ["ServiceInspect", "GET", "/services/{id}"],
  ["ServiceDelete", "DELETE", "/services/{id}"],
  ["ServiceUpdate", "POST", "/services/{id}/update"],
  ["ServiceLogs", "GET", "/services/{id}/logs"],
  ["TaskList", "GET", "/tasks"],
  ["TaskInspect", "GET", "/tasks/{id}"],
  ["TaskLogs", "GET", "/tasks/{id}/logs"],
  ["SecretList", "GET", "/secrets"],
  ["SecretCreate", "POST", "/secrets/create"],
  ["SecretInspect", "GET", "/secrets/{id}"],
  ["SecretDelete", "DELETE", "/secrets/{id}"],
  ["SecretUpdate", "POST", "/secrets/{id}/update"],
  ["ConfigList", "GET", "/configs"],
  ["ConfigCreate", "POST", "/configs/create"],
  ["ConfigInspect", "GET", "/configs/{id}"],
  ["ConfigDelete", "DELETE", "/configs/{id}"],
  ["ConfigUpdate", "POST", "/configs/{id}/update"],
];

/** All of them, in the order of the API reference. */
export const SWARM_OPERATIONS: readonly OperationSpec[] = declared.map(([name, method, path]) =>
  operation({ name, method, path, success: empty(200), errors: [503] }),
);
