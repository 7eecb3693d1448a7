// The labels by which Compose's containers, networks and volumes are recognised, by us and by Docker's tools alike.

export const label = {
  project: "com.docker.compose.project",
  service: "com.docker.compose.service",
  version: "com.docker.compose.version",
  configHash: "com.docker.compose.config-hash",
  number: "com.docker.compose.container-number",
  oneOff: "com.docker.compose.oneoff",
  slug: "com.docker.compose.slug",
  hook: "com.docker.compose.hook",
  image: "com.docker.compose.image",
  dependsOn: "com.docker.compose.depends_on",
  workingDir: "com.docker.compose.project.working_dir",
  configFiles: "com.docker.compose.project.config_files",
  environmentFile: "com.docker.compose.project.environment_file",
  replace: "com.docker.compose.replace",
  network: "com.docker.compose.network",
  volume: "com.docker.compose.volume",
} as const;
