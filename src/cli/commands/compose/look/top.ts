import { containerTop } from "../../../../api/operations/container.ts";
import { layoutTabs } from "../../../../lib/term/tabwriter.ts";
import { anyArgs } from "../../../command.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[SERVICES...]",
  arity: anyArgs,
  flags: {},
  async run(compose, { args }) {
    const { containersOf } = await import("../../../../compose/execute/act.ts");
    const { containers } = await compose.target(args);
    const client = await compose.client();
    const running = containersOf(containers, args).filter(({ state }) => state === "running");
    const rows: { service: string; number: number; values: Map<string, string> }[] = [];
    const titles = new Set<string>();
    for (const { id, service, number } of running) {
      const { Titles, Processes } = await client.call(containerTop, { id });
      for (const process of Processes) {
        const values = new Map(Titles.map((title, index) => [title, process[index] ?? ""]));
        for (const title of Titles) titles.add(title);
        rows.push({ service, number, values });
      }
    }
    if (rows.length === 0) return;
    const lines = rows.map(({ service, number, values }) =>
      [service, String(number), ...[...titles].map((title) => values.get(title) ?? "-")].join("\t"),
    );
    const head = ["SERVICE", "#", ...titles].join("\t");
    print(layoutTabs(`${[head, ...lines].join("\n")}\n`, { minWidth: 4, padding: 2 }));
  },
});
