import { containerList } from "../../../api/operations/container.ts";
import { imageHistory, imageInspect, imageList } from "../../../api/operations/image.ts";
import { systemVersion } from "../../../api/operations/system.ts";
import { defineCommand, exactly } from "../../command.ts";
import { explainImage } from "../../explain/image.ts";
import { formatFlag, showExplanation } from "./_ask.ts";

/** Berth's own: Docker has no such command. */
export const command = defineCommand({
  operands: "[OPTIONS] IMAGE",
  description:
    "What the image is made of, who uses it, and what keeps it from running or from being removed.",
  arity: exactly(1),
  flags: { format: formatFlag },
  async run(session, { args, flags }) {
    const [name = ""] = args;
    const client = await session.client();
    const inspect = await client.call(imageInspect, { name });
    const [history, images, all, version] = await Promise.all([
      client.call(imageHistory, { name }),
      client.call(imageList, { all: true, sharedSize: true }),
      client.call(containerList, { all: true }),
      client.call(systemVersion, {}),
    ]);
    const summary = images.find((image) => image.Id === inspect.Id);
    const containers = all.filter((c) => c.ImageID === inspect.Id);
    const answers = { inspect, history, summary, containers, architecture: version.Arch };
    showExplanation(flags.format, explainImage(answers, name, session.program));
  },
});
