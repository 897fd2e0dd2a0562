/**
 * Writes the generated registries of `nodes/`, the types of `builder/` from the files there, the operations of `client/` and the tables of permissions and of documented paths from the contract, and that of metrics from `telemetry/`;
 * `--check` writes nothing and fails when they are stale.
 * A node type is a file `nodes/<category folder>/<name>.ts` whose default export is a definition.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { NodeDefinition } from "../nodes/define.ts";
import { metricTable } from "./metric-table.ts";
import { permissionTable } from "./permission-table.ts";
import { builderTypes } from "./builder-types.ts";
import { clientOperations } from "./client-operations.ts";
import { compatibilityTable } from "./compatibility-table.ts";

interface Found {
  /** Relative to `nodes/`, with forward slashes. */
  path: string;
  identifier: string;
  definition: NodeDefinition;
}

const HEADER = "/* Written by `npm run gen`. Do not edit. */\n";

/** The generated files by path relative to `root`, as they should be. */
export async function generate(root: string): Promise<Map<string, string>> {
  const found = await findNodes(join(root, "nodes"));
  const inline = found.filter(({ definition }) => definition.kind === "inline");
  return new Map([
    [
      "nodes/registry.gen.ts",
      `${HEADER}import type { NodeDefinition } from "./define.ts";\n${imports(found)}\n/** Every node type. */\nexport const definitions: readonly NodeDefinition[] = [\n${found
        .map(({ identifier }) => `  ${identifier},\n`)
        .join("")}];\n`,
    ],
    [
      "nodes/inline.gen.ts",
      `${HEADER}import type { InlineNode } from "./define.ts";\n${imports(inline)}\n/** What workflow code may run itself, by canonical type. */\nexport const inlineNodes: Readonly<Record<string, InlineNode>> = {\n${inline
        .map(({ definition, identifier }) => `  ${JSON.stringify(definition.type)}: ${identifier},\n`)
        .join("")}};\n`,
    ],
    ["docs/permissions.md", permissionTable()],
    ["docs/compatibility.md", compatibilityTable()],
    ["docs/metrics.md", metricTable()],
    ["builder/node-types.gen.ts", `${HEADER}${builderTypes(found.map(({ definition }) => definition))}`],
    ["client/operations.gen.ts", `${HEADER}${clientOperations()}`],
  ]);
}

async function findNodes(folder: string): Promise<Found[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.parentPath !== folder && entry.name.endsWith(".ts") && !/\.(test|gen|examples)\.ts$/.test(entry.name))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    )
    .sort();
  const found: Found[] = [];
  const owners = new Map<string, string>();
  for (const path of paths) {
    const module = (await import(pathToFileURL(join(folder, path)).href)) as { default?: NodeDefinition };
    if (module.default === undefined) continue;
    const definition = module.default;
    for (const name of [definition.type, ...(definition.aliases ?? [])]) {
      const owner = owners.get(name);
      if (owner !== undefined) throw new Error(`The node type "${name}" is declared twice: in nodes/${owner} and nodes/${path}.`);
      owners.set(name, path);
    }
    found.push({ path, identifier: identifierOf(path), definition });
  }
  return found;
}

function identifierOf(path: string): string {
  const words = path.slice(path.lastIndexOf("/") + 1, -".ts".length).split("-");
  return `${words.map((word, index) => (index === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join("")}Node`;
}

function imports(found: readonly Found[]): string {
  return found.map(({ path, identifier }) => `import ${identifier} from "./${path}";\n`).join("");
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  const check = process.argv.includes("--check");
  const stale: string[] = [];
  for (const [path, content] of await generate(root)) {
    const before = await readFile(join(root, path), "utf8").catch(() => "");
    if (before === content) continue;
    stale.push(path);
    if (!check) await writeFile(join(root, path), content);
  }
  if (check && stale.length > 0) {
    process.stderr.write(`Stale: ${stale.join(", ")}. Run: npm run gen\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(stale.length > 0 ? `Written: ${stale.join(", ")}\n` : "Generated files are fresh.\n");
  }
}
