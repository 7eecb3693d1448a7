/** What the tests use of bun's own test module; everything else is node:test. */
declare module "bun:test" {
  export const mock: { module(name: string, make: () => object): void | Promise<void> };
}
