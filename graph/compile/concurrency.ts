import { z } from "zod";
import { isScopeRoot } from "../evaluate/scope.ts";
import type { Findings } from "../findings.ts";
import type { Nearest } from "../nearest.ts";
import type { ConcurrencySettings, Ref } from "../plan.ts";
import { compileTemplate, type TemplateNames } from "../template/compile.ts";

/** As far as a limit reaches; beyond it there is none. */
const MOST_RUNS = 100_000;
const LONGEST_KEY = 1_000;

const limit = z.number().int().min(1).max(MOST_RUNS);

/** `settings.concurrency` as an object, field by field. */
export const concurrencyFields = {
  limit,
  max_queued: z.number().int().min(0).max(MOST_RUNS),
  key: z.string().min(1).max(LONGEST_KEY),
  hold_while_waiting: z.boolean(),
} as const;

/** A number alone is the limit. */
export const concurrencySchema = z.union(
  [limit.transform((runs) => ({ limit: runs })), z.record(z.string(), z.unknown())],
  "must be a number from 1 on, or an object",
);

type Given = { [K in keyof typeof concurrencyFields]?: z.output<(typeof concurrencyFields)[K]> };

/** @returns undefined where there is no limit to keep; that has then been reported. */
export function compileConcurrency(given: Given, findings: Findings, nearest: Nearest): ConcurrencySettings | undefined {
  if (given.limit === undefined) {
    if (!findings.problems.some(({ path }) => path?.startsWith("settings.concurrency"))) {
      findings.problem("settings.invalid", "`settings.concurrency` needs a `limit`.", { path: "settings.concurrency.limit" });
    }
    return undefined;
  }
  const { key } = given;
  return {
    limit: given.limit,
    ...(given.max_queued !== undefined && { max_queued: given.max_queued }),
    ...(key !== undefined && { key: compileTemplate(key, new StartNames(findings, nearest)) }),
    ...(given.hold_while_waiting && { hold_while_waiting: true as const }),
  };
}

/** What is known of a run before it begins: its inputs and variables. */
class StartNames implements TemplateNames {
  readonly nearest: Nearest;
  problems = 0;
  readonly #findings: Findings;

  constructor(findings: Findings, nearest: Nearest) {
    this.#findings = findings;
    this.nearest = nearest;
  }

  problem(code: string, message: string, hint?: string): void {
    this.problems++;
    this.#findings.problem(code, message, { path: "settings.concurrency.key", hint });
  }

  resolve([head = "", ...path]: string[], source: string, _inBlock: boolean): Ref | undefined {
    if (isScopeRoot(head) && (head === "inputs" || head === "variables")) return { root: head, path, source };
    this.problem("reference.unknown", `\`${source}\` cannot be read before a run begins.`, "A concurrency key reads `inputs` and `variables`.");
    return undefined;
  }

  isNode(): boolean {
    return false;
  }

  secret(_name: string | undefined, source: string): void {
    this.problem("secret.not_allowed", `\`${source}\` cannot stand in a concurrency key.`);
  }
}
