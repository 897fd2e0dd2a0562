import { isObject, type Json, type JsonObject } from "#core";
import { put } from "../evaluate/scope.ts";
import { Findings } from "../findings.ts";
import { Nearest } from "../nearest.ts";
import type { Compiled, Ref } from "../plan.ts";
import { compileTemplate, type TemplateNames } from "./compile.ts";
import type { Finding } from "#core";

/**
 * Compiles the texts of a value that belongs to no graph, such as the request of a custom node type: they read the given inputs and nothing else.
 * @param declared - Names of the inputs, read as `{{inputs.name}}` or `{{name}}`.
 * @param at - Where the value stands, as findings tell it.
 */
export function compileOwnTemplates(value: Json, declared: ReadonlySet<string>, at: string): { compiled: Compiled; problems: Finding[] } {
  const findings = new Findings();
  const compiled = compileValue(value, new OwnNames(declared, findings), at);
  return { compiled, problems: findings.problems };
}

function compileValue(value: Json, names: OwnNames, at: string): Compiled {
  if (typeof value === "string") {
    names.path = at;
    return compileTemplate(value, names);
  }
  if (Array.isArray(value)) {
    const items = value.map((item, index) => compileValue(item, names, `${at}.${index}`));
    return items.every(isLiteral) ? { k: "lit", v: items.map((item) => item.v) } : { k: "list", items };
  }
  if (!isObject(value)) return { k: "lit", v: value };
  const fields = Object.entries(value as JsonObject).map(([key, inner]): [string, Compiled] => [key, compileValue(inner, names, `${at}.${key}`)]);
  if (!fields.every(([, field]) => isLiteral(field))) return { k: "object", fields };
  const whole: JsonObject = {};
  for (const [key, field] of fields) if (isLiteral(field)) put(whole, key, field.v);
  return { k: "lit", v: whole };
}

function isLiteral(compiled: Compiled): compiled is Extract<Compiled, { k: "lit" }> {
  return compiled.k === "lit";
}

class OwnNames implements TemplateNames {
  readonly nearest = new Nearest();
  path = "";
  problems = 0;
  readonly #declared: ReadonlySet<string>;
  readonly #findings: Findings;

  constructor(declared: ReadonlySet<string>, findings: Findings) {
    this.#declared = declared;
    this.#findings = findings;
  }

  problem(code: string, message: string, hint?: string): void {
    this.problems++;
    this.#findings.problem(code, message, { path: this.path, ...(hint !== undefined && { hint }) });
  }

  isNode(): boolean {
    return false;
  }

  secret(_name: string | undefined, source: string): void {
    this.problem("secret.not_allowed", `\`${source}\` cannot be read here.`, "Let nodes name a credential, or give the secret as an input.");
  }

  resolve(parts: string[], source: string, inBlock: boolean): Ref | undefined {
    const [head = "", ...path] = parts;
    const [name, root] = head === "inputs" ? [path[0], "inputs" as const] : [head, "bare" as const];
    if (name !== undefined && !this.#declared.has(name)) {
      if (!inBlock) this.problem("reference.unknown", `\`${source}\` is no input of this node type.`, this.nearest.hint(name, this.#declared));
      if (!inBlock || root === "inputs") return undefined;
    }
    return root === "inputs" ? { root, path, source } : { root, id: head, path, source };
  }
}
