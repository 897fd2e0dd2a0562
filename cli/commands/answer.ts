import { type Context, defineCommand } from "../command.ts";
import { EXIT, type ExitCode, Failure, usage } from "../failure.ts";
import { findApproval } from "../find.ts";
import { printable } from "../text.ts";

const options = { comment: { type: "string", short: "m" }, data: { type: "string" } } as const;
const synopsis = "<run|approval> [--comment text] [--data json]";

export const approve = defineCommand({
  summary: "let a run that waits for a person go on",
  synopsis,
  help: ["Answers a request for input with its --data as well."],
  options,
  arguments: [1, 1],
  run: (context, values, [id = ""]) => answer(context, "approve", id, values),
});

export const reject = defineCommand({
  summary: "refuse what a run asks a person for",
  synopsis,
  options,
  arguments: [1, 1],
  run: (context, values, [id = ""]) => answer(context, "reject", id, values),
});

async function answer(
  context: Context,
  word: "approve" | "reject",
  id: string,
  { comment, data: text }: { comment?: string; data?: string },
): Promise<ExitCode> {
  const { client, signal } = context;
  const data = text === undefined ? undefined : parsed(text);
  const approval = await findApproval(client, id, signal);
  const given = { ...(comment !== undefined && { comment }), ...(text !== undefined && { data }) };
  if (approval.kind === "input") {
    if (word === "reject") throw new Failure("It asks for input, which cannot be refused: answer with `perdure approve … --data`, or cancel the run.");
    if (text === undefined) throw new Failure(`It asks for input: give --data as JSON. ${printable(approval.prompt)}`, EXIT.usage);
    context.print("Answered.", await client.approvals.submit(approval.id, data, comment, { signal }));
    return EXIT.done;
  }
  const answered = await (word === "approve"
    ? client.approvals.approve(approval.id, given, { signal })
    : client.approvals.reject(approval.id, given, { signal }));
  context.print(`${word === "approve" ? "Approved" : "Rejected"}: ${printable(approval.prompt)}`, answered);
  return EXIT.done;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw usage("--data is JSON.");
  }
}
