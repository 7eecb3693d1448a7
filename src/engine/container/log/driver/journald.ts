// journald: one entry per line, with the container's identity as fields. Messages are bounded (16 KiB of text and 32 KiB of
// attributes), so that a datagram always holds them: journald's other way, a sealed file, is not needed.
import { Fault } from "../../../../lib/errors.ts";
import { encodeJournal, journalFieldName } from "../../../../lib/log-protocol/journal.ts";
import { SEVERITIES } from "../../../../lib/log-protocol/syslog.ts";
import { extraAttributes, logTag } from "../info.ts";
import { DatagramDelivery } from "../ship/datagrams.ts";
import { checkNames, DEFAULT_RETRY, type LogDriver, type LogMessage } from "./driver.ts";
import { spoolStorage } from "./storage.ts";

type Field = [name: string, value: string | Uint8Array];

export const journald: LogDriver = {
  name: "journald",
  defaultTag: "{{.ID}}",
  check: (options) => checkNames(options, [], (name) => `unknown log opt '${name}' for journald log driver`),
  storage: spoolStorage,
  remote: {
    retry: () => DEFAULT_RETRY,
    async open({ info, keel, journalSocket }) {
      if (!(await DatagramDelivery.isTakenAt(keel, journalSocket)))
        throw new Fault("unavailable", "journald is not enabled on this host", { code: "log.no-journald" });
      const tag = logTag(info, journald.defaultTag);
      const constant = new Map<string, string | Uint8Array>([
        ["CONTAINER_ID", info.containerId.slice(0, 12)],
        ["CONTAINER_ID_FULL", info.containerId],
        ["CONTAINER_NAME", info.containerName],
        ["CONTAINER_TAG", tag],
        ["IMAGE_NAME", info.imageName],
        ["SYSLOG_IDENTIFIER", tag],
        // Together with the ordinal this names an entry for ever, also one that was sent twice.
        ["CONTAINER_LOG_EPOCH", info.containerId],
        ...Object.entries(extraAttributes(info, journalFieldName)),
      ]);
      const encode = (m: LogMessage): Buffer => encodeJournal([...constant, ...fieldsOf(m)]);
      return new DatagramDelivery(keel, journalSocket, encode);
    },
  },
};

function fieldsOf(m: LogMessage): Field[] {
  const severity = m.stream === "stderr" ? SEVERITIES.err : SEVERITIES.info;
  return [
    ["PRIORITY", String(severity)],
    ["MESSAGE", m.line],
    ["SYSLOG_TIMESTAMP", m.time],
    ["CONTAINER_LOG_ORDINAL", String(m.n)],
    ...(m.piece === undefined
      ? []
      : ([
          ["CONTAINER_PARTIAL_ID", m.piece.id],
          ["CONTAINER_PARTIAL_ORDINAL", String(m.piece.ordinal)],
          ["CONTAINER_PARTIAL_LAST", String(m.piece.isLast)],
          ...(m.piece.isLast ? [] : [["CONTAINER_PARTIAL_MESSAGE", "true"] as Field]),
        ] as Field[])),
  ];
}
