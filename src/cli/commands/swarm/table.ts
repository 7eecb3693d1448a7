// The nouns of a swarm and their verbs: what they are called, in one line. Data only.

export const swarmNouns = (): readonly {
  readonly name: string;
  readonly summary: string;
  readonly verbs: readonly (readonly [name: string, summary: string])[];
}[] => [
  {
    name: "config",
    summary: "Manage a swarm's configs",
    verbs: [
      ["create", "Create a config from a file or STDIN"],
      ["inspect", "Display detailed information on one or more configs"],
      ["ls", "List configs"],
      ["rm", "Remove one or more configs"],
    ],
  },
  {
    name: "node",
    summary: "Manage a swarm's nodes",
    verbs: [
      ["demote", "Demote one or more nodes from manager"],
      ["inspect", "Display detailed information on one or more nodes"],
      ["ls", "List nodes"],
      ["promote", "Promote one or more nodes to manager"],
      ["ps", "List tasks running on one or more nodes"],
      ["rm", "Remove one or more nodes"],
      ["update", "Update a node"],
    ],
  },
  {
    name: "secret",
    summary: "Manage a swarm's secrets",
    verbs: [
      ["create", "Create a secret from a file or STDIN"],
      ["inspect", "Display detailed information on one or more secrets"],
      ["ls", "List secrets"],
      ["rm", "Remove one or more secrets"],
    ],
  },
  {
    name: "service",
    summary: "Manage a swarm's services",
    verbs: [
      ["create", "Create a new service"],
      ["inspect", "Display detailed information on one or more services"],
      ["logs", "Fetch the logs of a service or task"],
      ["ls", "List services"],
      ["ps", "List the tasks of one or more services"],
      ["rm", "Remove one or more services"],
      ["rollback", "Revert changes to a service's configuration"],
      ["scale", "Scale one or multiple replicated services"],
      ["update", "Update a service"],
    ],
  },
  {
    name: "stack",
    summary: "Manage a swarm's stacks",
    verbs: [
      ["config", "Print the final config file, after merges and interpolation"],
      ["deploy", "Deploy a new stack or update an existing one"],
      ["ls", "List stacks"],
      ["ps", "List the tasks in the stack"],
      ["rm", "Remove one or more stacks"],
      ["services", "List the services in the stack"],
    ],
  },
  {
    name: "swarm",
    summary: "Manage a swarm",
    verbs: [
      ["ca", "Display and rotate the root CA"],
      ["init", "Initialize a swarm"],
      ["join", "Join a swarm as a node and/or manager"],
      ["join-token", "Manage join tokens"],
      ["leave", "Leave the swarm"],
      ["unlock", "Unlock swarm"],
      ["unlock-key", "Manage the unlock key"],
      ["update", "Update the swarm"],
    ],
  },
];
