// json-file: the log is the file, in Docker's format, for whoever collects such files.
import { checkNames, type LogDriver } from "./driver.ts";
import { jsonFileStorage } from "./storage.ts";

export const jsonFile: LogDriver = {
  name: "json-file",
  defaultTag: "",
  check(options) {
    checkNames(
      options,
      ["max-file", "max-size", "compress"],
      (name) => `unknown log opt '${name}' for json-file log driver`,
    );
    jsonFileStorage(options);
  },
  storage: jsonFileStorage,
};
