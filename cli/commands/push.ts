import type { BodyOf, Client, Validation, Workflow } from "#client";
import { type Context, defineCommand } from "../command.ts";
import { type WorkflowDocument, readWorkflow } from "../documents.ts";
import { EXIT } from "../failure.ts";
import { workflowNamed } from "../find.ts";
import { paintOf, printable } from "../text.ts";

type Finding = Validation["errors"][number];

export const push = defineCommand({
  summary: "save a workflow from a file",
  synopsis: "<file.json|yaml|ts> [--name name] [--id id] [--publish] [--check]",
  help: [
    "Changes the workflow of the same name, or makes it. Problems of the graph are shown with the ids of their nodes and edges; it is kept as a draft then,",
    "is not published, and the command ends with 1. --check shows them and saves nothing. A .ts or .js file is run; its default export, or its only one, is the workflow.",
  ],
  options: { name: { type: "string" }, id: { type: "string" }, publish: { type: "boolean" }, check: { type: "boolean" } },
  arguments: [1, 1],
  async run(context, { name, id, publish, check }, [file = ""]) {
    const { client, signal } = context;
    const document = await readWorkflow(file, context.cwd);
    if (name !== undefined) document.name = name;
    if (check) {
      const { valid, errors, warnings } = await client.workflows.validate(document as BodyOf<"validateGraph">, { signal });
      context.print([...findingLines(context, errors, warnings), `${document.name}: ${valid ? "no problems" : many(errors.length, "problem")}`], {
        valid,
        errors,
        warnings,
      });
      return valid ? EXIT.done : EXIT.failed;
    }
    const { workflow, made, before } = await save(client, document, id, signal);
    const { problems = [], warnings = [] } = workflow;
    const published = publish && problems.length === 0 ? await client.workflows.publish(workflow.id, workflow.version, { signal }) : undefined;
    const what = made ? "made" : workflow.version === before ? "unchanged" : "changed";
    context.print(
      [
        ...findingLines(context, problems, warnings),
        `${workflow.name}: ${what}, version ${workflow.version}${published ? ", published" : ""}${problems.length > 0 ? `, a draft with ${many(problems.length, "problem")}` : ""}`,
        `  ${workflow.id}`,
      ],
      {
        id: workflow.id,
        name: workflow.name,
        outcome: what,
        version: workflow.version,
        published_version: (published ?? workflow).published_version,
        problems,
        warnings,
      },
    );
    return problems.length > 0 ? EXIT.failed : EXIT.done;
  },
});

async function save(
  client: Client,
  document: WorkflowDocument,
  id: string | undefined,
  signal: AbortSignal,
): Promise<{ workflow: Workflow; made: boolean; before?: number }> {
  const found = id === undefined ? await workflowNamed(client, document.name, signal) : await client.workflows.get(id, { signal });
  if (!found) return { workflow: await client.workflows.create(document as BodyOf<"createWorkflow">, { signal }), made: true };
  return { workflow: await client.workflows.update(found.id, document as BodyOf<"updateWorkflow">, { signal }), made: false, before: found.version };
}

function findingLines({ terminal }: Context, errors: readonly Finding[], warnings: readonly Finding[]): string[] {
  const paint = paintOf(terminal);
  const line = (kind: string, style: "red" | "yellow", { code, message, path, node_id: node, edge_id: edge, hint }: Finding): string => {
    const place = node !== undefined ? `node ${node}` : edge !== undefined ? `edge ${edge}` : (path ?? "");
    return `${paint(style, kind)} ${place === "" ? "" : `${paint("bold", printable(place))}: `}${printable(message)}${hint ? ` ${printable(hint)}` : ""} ${paint("dim", `(${code})`)}`;
  };
  return [...errors.map((each) => line("problem", "red", each)), ...warnings.map((each) => line("warning", "yellow", each))];
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
