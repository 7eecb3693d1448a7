// Bun's file import: the path of a file that is embedded in the executable.
declare module "*/build/keel" {
  const path: string;
  export default path;
}
