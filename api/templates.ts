import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { EXPORT_FORMAT, EXPORT_FORMAT_VERSION } from "#contract/exchange.ts";
import type { TemplateJson } from "#contract/templates.ts";
import { isObject, type JsonObject, PerdureError } from "#core";
import { z } from "zod";
import { JSON_MAX_DEPTH } from "./body.ts";
import { referencesIn } from "./exchange/share.ts";
import { parseYaml } from "./yaml/text.ts";

/** The gallery: workflows to begin with. */
export interface Templates {
  /** By category and name. */
  list(): readonly TemplateJson[];
  get(id: string): TemplateJson | undefined;
}

const FOLDER = fileURLToPath(new URL("../templates/", import.meta.url));
const ENDING = ".yaml";
const LIMITS = { maxAliases: 0, maxExpanded: 1024 * 1024, maxDepth: JSON_MAX_DEPTH };

const graphObject = z.custom<JsonObject>(isObject, "must be an object");
/** A file of `templates/`: an exported workflow with a category and what a first run may be given. */
const templateFile = z.strictObject({
  format: z.literal(EXPORT_FORMAT),
  format_version: z.literal(EXPORT_FORMAT_VERSION),
  name: z.string().min(1).max(200),
  description: z.string().min(1),
  category: z.string().min(1),
  tags: z.array(z.string()),
  example_inputs: graphObject,
  flow_data: graphObject,
});

/** @throws PerdureError `configuration.invalid` that names the file which is no template. */
export async function readTemplates(folder: string = FOLDER): Promise<Templates> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(ENDING)).sort();
  const templates = await Promise.all(names.map(async (name) => toTemplate(name, await readFile(`${folder}/${name}`, "utf8"))));
  templates.sort((a, b) => a.category.localeCompare(b.category, "en") || a.name.localeCompare(b.name, "en"));
  const byId = new Map(templates.map((template) => [template.id, template]));
  return { list: () => templates, get: (id) => byId.get(id) };
}

function toTemplate(name: string, text: string): TemplateJson {
  try {
    const { format: _format, format_version: _version, ...file } = templateFile.parse(parseYaml(text, LIMITS));
    return { id: name.slice(0, -ENDING.length), ...file, node_types: typesOf(file.flow_data), secrets: referencesIn(file.flow_data) };
  } catch (cause) {
    throw new PerdureError("configuration.invalid", `templates/${name} is no template.`, { cause });
  }
}

function typesOf(graph: JsonObject): string[] {
  const nodes = Array.isArray(graph["nodes"]) ? graph["nodes"] : [];
  return [...new Set(nodes.flatMap((node) => (isObject(node) && typeof node["type"] === "string" ? [node["type"]] : [])))].sort();
}
