import { readFile } from "node:fs/promises";
import { registerHooks } from "node:module";
import { basename, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parse as parseYaml } from "yaml";
import { Failure, usage } from "./failure.ts";

/** A workflow as a file holds it: what `pull` writes, a body of `POST /workflows`, or a bare graph. */
export interface WorkflowDocument {
  name: string;
  [field: string]: unknown;
}

const MAX_ALIASES = 100;
/** Fields that a file may have and a save does not take: they are of the installation it came from. */
const NOT_SAVED = [
  "format",
  "format_version",
  "secrets",
  "withheld",
  "problems",
  "warnings",
  "id",
  "version",
  "published_version",
  "user_id",
  "created_at",
  "updated_at",
];
const BUILDER = new URL("../builder/index.ts", import.meta.url).href;
/** By which a file of anybody's says that it makes its graph in code. */
const BUILDER_NAMES: ReadonlySet<string> = new Set(["#builder", "perdure/builder"]);

/**
 * Reads a workflow from `.json`, `.yaml`, `.yml`, or from `.ts`, `.mts`, `.js`, `.mjs`, which is run: its default export, else the only
 * thing it exports. Without a name of
 * its own it has that of the file.
 * @throws Failure where it cannot be read or holds no workflow.
 */
export async function readWorkflow(path: string, cwd: string): Promise<WorkflowDocument> {
  const file = resolve(cwd, path);
  const value = await readValue(file, path);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Failure(`${path} holds no workflow: it must be an object.`);
  const { name = basename(file, extname(file)), ...fields } = value as Record<string, unknown>;
  if (fields["flow_data"] === undefined && fields["nodes"] === undefined)
    throw new Failure(`${path} holds no workflow: it needs \`flow_data\`, or \`nodes\` and \`edges\`.`);
  if (typeof name !== "string" || name.trim() === "") throw new Failure(`${path}: the name of the workflow must be text.`);
  return { name: name.trim(), ...Object.fromEntries(Object.entries(fields).filter(([field]) => !NOT_SAVED.includes(field))) };
}

async function readValue(file: string, path: string): Promise<unknown> {
  switch (extname(file)) {
    case ".json":
      return parsed(path, "JSON", await readText(file, path), JSON.parse);
    case ".yaml":
    case ".yml":
      return parsed(path, "YAML", await readText(file, path), (text) =>
        parseYaml(text, { version: "1.2", schema: "core", merge: false, stringKeys: true, maxAliasCount: MAX_ALIASES }),
      );
    case ".ts":
    case ".mts":
    case ".js":
    case ".mjs":
      await readText(file, path);
      return runModule(file, path);
    default:
      throw usage(`${path} is none of .json, .yaml, .yml, .ts, .mts, .js, .mjs.`);
  }
}

async function readText(file: string, path: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Failure(code === "ENOENT" ? `There is no file ${path}.` : `${path} cannot be read: ${message}`);
  }
}

function parsed(path: string, format: string, text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new Failure(`${path} is not ${format}: ${(error as Error).message}`);
  }
}

async function runModule(file: string, path: string): Promise<unknown> {
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      BUILDER_NAMES.has(specifier) ? { url: BUILDER, format: "module-typescript", shortCircuit: true } : next(specifier, context),
  });
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new Failure(`${path} cannot be run: ${(error as Error).message}`);
  } finally {
    hooks.deregister();
  }
  // Outside of any package Node takes a file without a word of modules as CommonJS, whose default is what it has put into an empty object.
  const exported = Object.entries(module).filter(([name, value]) => name !== "module.exports" && !(name === "default" && isEmptyObject(value)));
  const [, found] = exported.find(([name]) => name === "default") ?? (exported.length === 1 ? exported[0] : undefined) ?? [];
  if (found === undefined) throw new Failure(`${path} exports ${exported.length === 0 ? "nothing" : "several things"}: \`export default\` the workflow.`);
  // Through JSON, as it will be sent: a workflow of the builder says what it is then.
  return parsed(path, "a workflow", JSON.stringify(found) ?? "null", JSON.parse);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length === 0;
}
