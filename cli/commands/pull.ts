import { writeFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { defineCommand } from "../command.ts";
import { EXIT, usage } from "../failure.ts";
import { findWorkflow } from "../find.ts";
import { escaped } from "../text.ts";

export const pull = defineCommand({
  summary: "read a workflow as a file",
  synopsis: "<id|name> [--output file.json|yaml] [--format json|yaml]",
  help: ["Prints it, or writes it to a file that `push` takes. It holds no secret: what was written out in the graph becomes a reference."],
  options: { output: { type: "string", short: "o" }, format: { type: "string" } },
  arguments: [1, 1],
  async run(context, { output, format: given }, [idOrName = ""]) {
    const { client, signal } = context;
    const format = given ?? (output !== undefined && [".yaml", ".yml"].includes(extname(output)) ? "yaml" : "json");
    if (format !== "json" && format !== "yaml") throw usage("--format is json or yaml.");
    const { id, name } = await findWorkflow(client, idOrName, signal);
    const text =
      format === "yaml" ? await client.workflows.exportYaml(id, { signal }) : `${JSON.stringify(await client.workflows.export(id, { signal }), null, 2)}\n`;
    if (output === undefined) context.terminal.out(escaped(text.endsWith("\n") ? text : `${text}\n`));
    else {
      const file = resolve(context.cwd, output);
      await writeFile(file, text);
      context.print(`${name} is in ${output}.`, { id, name, file });
    }
    return EXIT.done;
  },
});
