import type { NodeCatalogue } from "../catalogue.ts";
import type { Nearest } from "../nearest.ts";

/** `n8n-nodes-base.`, `@n8n/n8n-nodes-langchain.` */
const FOREIGN_PREFIX = /^(@[\w-]+\/)?n8n-nodes-[\w-]+\./i;

/** What n8n and Dify call a type that does not do quite the same here, so that it is no alias; folded name → type. */
const FOREIGN_NAMES: ReadonlyMap<string, string> = new Map([
  ["if", "Condition"],
  ["filter", "Condition"],
  ["webhook", "WebhookTrigger"],
  ["scheduletrigger", "TimerStartNode"],
  ["cron", "TimerStartNode"],
  ["manualtrigger", "Start"],
  ["splitinbatches", "MapReduce"],
  ["loopoveritems", "MapReduce"],
  ["editfields", "Set"],
  ["function", "Code"],
  ["lmchatopenai", "OpenAINode"],
  ["chatopenai", "OpenAINode"],
  ["llm", "OpenAINode"],
  ["templatetransform", "Template"],
  ["variableassigner", "Set"],
  ["variableaggregator", "Merge"],
  ["answer", "End"],
]);

/** "Did you mean": the type whose name is written otherwise, or that another system calls so, or the nearest. */
export function typeHint(written: string, catalogue: NodeCatalogue, nearest: Nearest): string | undefined {
  const name = written.replace(FOREIGN_PREFIX, "");
  const folded = fold(name);
  const meant = [...catalogue.names()].find((each) => fold(each) === folded) ?? FOREIGN_NAMES.get(folded);
  const type = meant === undefined ? undefined : catalogue.get(meant);
  return type === undefined ? nearest.hint(name, catalogue.names()) : `Did you mean \`${type.type}\`?`;
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, "");
}
