import type { Finding } from "#core";
import { Nearest } from "../nearest.ts";
import type { Compiled, Ref } from "../plan.ts";
import { compileTemplate } from "./compile.ts";

/** A template that belongs to no node: it reads `inputs`, or bare names that are theirs. @returns what is wrong with it, where something is. */
export function compileText(template: string): { compiled: Compiled; findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const compiled = compileTemplate(template, {
    resolve: ([head = "", ...path], source): Ref => (head === "inputs" ? { root: "inputs", path, source } : { root: "bare", id: head, path, source }),
    isNode: () => false,
    secret: (_name, source) => findings.push({ code: "secret.not_allowed", message: `\`${source}\` cannot be read here.` }),
    problem: (code, message, hint) => findings.push({ code, message, ...(hint !== undefined && { hint }) }),
    get problems() {
      return findings.length;
    },
    nearest: new Nearest(),
  });
  return { compiled, findings };
}
