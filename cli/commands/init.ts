import { DEFAULT_URL, addressOf, writeConfig } from "../config.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../failure.ts";

export const init = defineCommand({
  summary: "say which installation this folder belongs to",
  synopsis: "[url] [--force]",
  help: ["Writes perdure.json, which the other commands find from here and from all folders below. It holds no secret."],
  options: { force: { type: "boolean" } },
  arguments: [0, 1],
  async run(context, { force = false, ...values }, [given]) {
    const { url: option } = values as { url?: string };
    const url = addressOf(given ?? option ?? DEFAULT_URL, "url");
    const file = await writeConfig(context.cwd, { url }, force);
    context.print([`${file} says ${url}.`, "Next: perdure login"], { file, url });
    return EXIT.done;
  },
});
