// What containers are called.

import type { Project, Service } from "../model/project.ts";

/** Returns the name of a service's container with a number. */
export function containerName(project: Project, service: Service, number: number): string {
  return service.container_name ?? defaultName(project, service.name, number);
}

function defaultName(project: Project, service: string, number: number): string {
  const { separator } = project;
  return `${project.name}${separator}${service}${separator}${number}`;
}

/** Returns a container's name as it stands in front of its output: without the project's where it is the default one. */
export function shortName(project: string, name: string): string {
  return name.startsWith(`${project}-`) || name.startsWith(`${project}_`)
    ? name.slice(project.length + 1)
    : name;
}
