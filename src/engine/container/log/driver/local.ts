// local: the log is a file that is nobody else's business, in a form that keeps every byte.
import { checkNames, type LogDriver } from "./driver.ts";
import { localStorage } from "./storage.ts";

export const local: LogDriver = {
  name: "local",
  defaultTag: "",
  check(options) {
    checkNames(
      options,
      ["max-file", "max-size", "compress"],
      (name) => `unknown log opt '${name}' for log driver local`,
    );
    localStorage(options);
  },
  storage: localStorage,
};
