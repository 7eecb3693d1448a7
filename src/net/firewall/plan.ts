// Plans for the daemon's nftables table: each function returns operations, each operation is one transaction.
// What the table contains is decided in ruleset.ts. Nothing here reads the kernel: the table belongs to one daemon,
// which knows what it put there, and replaces the whole when in doubt (planReplaceAll).

import {
  type Element,
  type Table,
  addChain,
  addElements,
  addRule,
  addSet,
  addTable,
  deleteElements,
} from "../../linux/nft/ruleset.ts";
import { deleteTable, nftOp } from "../../linux/nft/ruleset.ts";
import type { Message } from "../../linux/netlink/message.ts";
import { type Op, host } from "../../linux/ops.ts";
import {
  type FirewallNetwork,
  type FirewallState,
  type SetElements,
  desiredRuleset,
  mergeElements,
  networkElements,
  publicationElements,
} from "./ruleset.ts";
import type { Publication } from "./runs.ts";
import { SETS, type SetKey } from "./sets.ts";

const tableOf = (tableName: string): Table => ({ family: "inet", name: tableName });

/** Makes the table, or brings it to the empty state. */
export const planInit = (tableName: string): Op[] =>
  planReplaceAll(tableName, { networks: [], publications: [] });

/**
 * Makes the table be exactly what the state says, in one transaction, whatever was there: open connections keep their
 * translation, which lives in conntrack, and no packet sees the table missing.
 */
export function planReplaceAll(tableName: string, state: FirewallState): Op[] {
  const table = tableOf(tableName);
  const { chains, sets } = desiredRuleset(state);
  return [
    nftOp([
      addTable(table), // deleting a table that is not there would fail
      deleteTable(table),
      addTable(table),
      ...sets.map(({ set }, i) => addSet(table, set, i + 1)),
      ...chains.map(({ chain }) => addChain(table, chain)),
      ...chains.flatMap(({ chain, rules }) =>
        rules.map((r) => addRule(table, chain.name, r.expressions, r.comment)),
      ),
      ...sets.flatMap(({ set, elements }) =>
        elements.length === 0 ? [] : addElements(table, set, elements),
      ),
    ]),
  ];
}

/** Removes the table; fine when there is none. */
export function planDestroy(tableName: string): Op[] {
  const table = tableOf(tableName);
  return [nftOp([addTable(table), deleteTable(table)])];
}

type Change = (table: Table, set: (typeof SETS)[SetKey], elements: readonly Element[]) => Message[];

function changeMessages(tableName: string, elements: SetElements, change: Change): Message[] {
  const table = tableOf(tableName);
  return (Object.keys(elements) as SetKey[]).flatMap((key) => change(table, SETS[key], elements[key] ?? []));
}

function addPlan(tableName: string, elements: SetElements): Op[] {
  if (Object.keys(elements).length === 0) return [];
  return [
    nftOp(changeMessages(tableName, elements, addElements)),
    host.onFailure(nftOp(changeMessages(tableName, elements, deleteElements))),
  ];
}

function removePlan(tableName: string, elements: SetElements): Op[] {
  if (Object.keys(elements).length === 0) return [];
  return [nftOp(changeMessages(tableName, elements, deleteElements))];
}

/** Lets a network in, with the elements of its egress policy. Undone when a later operation of the request fails. */
export const planAddNetwork = (tableName: string, network: FirewallNetwork, egress: SetElements = {}): Op[] =>
  addPlan(tableName, mergeElements([networkElements(network), egress]));

/** Takes a network out; ENOENT when it was not there. */
export const planRemoveNetwork = (
  tableName: string,
  network: FirewallNetwork,
  egress: SetElements = {},
): Op[] => removePlan(tableName, mergeElements([networkElements(network), egress]));

/**
 * Publishes an endpoint's ports and lets its egress policy hold; no operation without either. Undone when a later
 * operation of the request fails.
 */
export const planAddEndpoint = (
  tableName: string,
  publications: readonly Publication[],
  egress: SetElements = {},
): Op[] => addPlan(tableName, mergeElements([publicationElements(publications), egress]));

/** Turns an endpoint's ports into others in one transaction: what stays is not touched. ENOENT when one was not there. */
export function planChangeEndpoint(
  tableName: string,
  before: readonly Publication[],
  after: readonly Publication[],
): Op[] {
  const [old, wanted] = [publicationElements(before), publicationElements(after)];
  const messages = [
    ...changeMessages(tableName, withoutElements(old, wanted), deleteElements),
    ...changeMessages(tableName, withoutElements(wanted, old), addElements),
  ];
  return messages.length === 0 ? [] : [nftOp(messages)];
}

function withoutElements(all: SetElements, others: SetElements): SetElements {
  const left: SetElements = {};
  for (const key of Object.keys(all) as SetKey[]) {
    const known = new Set((others[key] ?? []).map((e) => JSON.stringify(e)));
    const rest = (all[key] ?? []).filter((e) => !known.has(JSON.stringify(e)));
    if (rest.length > 0) left[key] = rest;
  }
  return left;
}

/** Withdraws an endpoint's ports and policy; ENOENT when one was not there. */
export const planRemoveEndpoint = (
  tableName: string,
  publications: readonly Publication[],
  egress: SetElements = {},
): Op[] => removePlan(tableName, mergeElements([publicationElements(publications), egress]));

/** Takes elements with timeouts away, gone by themselves or not. */
export const planForget = (tableName: string, elements: SetElements): Op[] =>
  changesPlan(tableName, elements, [addElements, deleteElements]);

/**
 * Gives elements with timeouts their time anew, there or not. Kernels before 6.12 keep the old time of an element that is
 * added again, and deleting one that is not there would fail.
 */
export const planRenew = (tableName: string, elements: SetElements): Op[] =>
  changesPlan(tableName, elements, [addElements, deleteElements, addElements]);

const changesPlan = (tableName: string, elements: SetElements, changes: readonly Change[]): Op[] =>
  Object.keys(elements).length === 0
    ? []
    : [nftOp(changes.flatMap((change) => changeMessages(tableName, elements, change)))];
