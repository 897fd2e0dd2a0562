import type { Finding } from "#core";

export type Where = Pick<Finding, "node_id" | "edge_id" | "path" | "hint">;

/** Collects everything that is wrong with a graph; the same thing said twice counts once. */
export class Findings {
  readonly problems: Finding[] = [];
  readonly warnings: Finding[] = [];
  readonly #seen = new Set<string>();

  problem(code: string, message: string, where: Where = {}): void {
    this.#add(this.problems, code, message, where);
  }

  warn(code: string, message: string, where: Where = {}): void {
    this.#add(this.warnings, code, message, where);
  }

  #add(list: Finding[], code: string, message: string, where: Where): void {
    const finding: Finding = { code, message };
    if (where.path !== undefined) finding.path = where.path;
    if (where.node_id !== undefined) finding.node_id = where.node_id;
    if (where.edge_id !== undefined) finding.edge_id = where.edge_id;
    if (where.hint !== undefined) finding.hint = where.hint;
    const key = JSON.stringify(finding);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    list.push(finding);
  }
}
