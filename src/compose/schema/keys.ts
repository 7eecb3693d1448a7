// What makes two items of a list the same one: Compose's rules of uniqueness, by which a later file replaces an item
// instead of adding another.

import { child, type Node, printScalar } from "../tree/node.ts";

/** The text itself. */
export function byText(item: Node): string | undefined {
  return item.kind === "scalar" ? printScalar(item) : undefined;
}

/** The part in front of "=". */
export function byName(item: Node): string | undefined {
  return byText(item)?.split("=", 1)[0];
}

/** Where it appears in the container. */
export function byTarget(item: Node): string | undefined {
  const target = child(item, "target");
  return target === undefined ? undefined : byText(target);
}

/** A secret's or config's file in the container. */
export const byFile =
  (directory: string) =>
  (item: Node): string | undefined =>
    byTarget(item) ?? `${directory}/${byText(child(item, "source") ?? item)}`;

/** Address, both ports and protocol. */
export function byPort(item: Node): string | undefined {
  const part = (name: string, absent: string): string => {
    const value = child(item, name);
    return (value === undefined ? undefined : byText(value)) ?? absent;
  };
  return `${part("host_ip", "0.0.0.0")}:${part("published", "")}:${part("target", "")}/${part("protocol", "tcp")}`;
}

/** The file's path. */
export function byPath(item: Node): string | undefined {
  const path = child(item, "path");
  return path === undefined ? undefined : byText(path);
}

/** An address pool's subnet. */
export function bySubnet(item: Node): string | undefined {
  const subnet = child(item, "subnet");
  return subnet === undefined ? "" : byText(subnet);
}
