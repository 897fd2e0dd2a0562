import { parseArgs } from "node:util";

/** The parts of an installation, in the order in which they are started. */
export const PARTS = ["postgres", "temporal", "qdrant", "api", "worker"] as const;
export type PartName = (typeof PARTS)[number];

const INFRASTRUCTURE: readonly PartName[] = ["postgres", "temporal", "qdrant"];
const GROUPS: Record<string, readonly PartName[]> = { all: PARTS, infra: INFRASTRUCTURE, ...Object.fromEntries(PARTS.map((part) => [part, [part]])) };

export interface Options {
  parts: readonly PartName[];
  /** Whether only some parts were asked for. */
  partial: boolean;
  help: boolean;
}

export const HELP = `npm start                      everything: PostgreSQL, Temporal with its Web UI, Qdrant, api and worker
npm start -- --only <part>     one part: ${Object.keys(GROUPS)
  .filter((name) => name !== "all")
  .join(", ")}, or several with commas; the others are found by the data folder or the environment

PERDURE_DATA      folder of all data (.perdure)
PORT              of the API (8000)
TEMPORAL_UI_PORT  of Temporal's Web UI (8233)
DATABASE_URL, TEMPORAL_ADDRESS, QDRANT_URL name servers of your own; then none is started here.
Everything else: .env.example. A file .env is read when present.`;

/** @throws an Error that lists what may be said. */
export function readOptions(args: readonly string[]): Options {
  let values: { only?: string[]; help?: boolean };
  try {
    ({ values } = parseArgs({ args: [...args], options: { only: { type: "string", multiple: true }, help: { type: "boolean", short: "h" } } }));
  } catch (error) {
    throw new Error(`${(error as Error).message}\n\n${HELP}`, { cause: error });
  }
  const names = (values.only ?? []).flatMap((text) => text.split(",")).map((name) => name.trim());
  const unknown = names.filter((name) => !Object.hasOwn(GROUPS, name));
  if (unknown.length > 0) throw new Error(`There is no part "${unknown.join('", "')}".\n\n${HELP}`);
  const wanted = new Set((names.length > 0 ? names : ["all"]).flatMap((name) => GROUPS[name] ?? []));
  return { parts: PARTS.filter((part) => wanted.has(part)), partial: names.length > 0 && wanted.size < PARTS.length, help: values.help === true };
}
