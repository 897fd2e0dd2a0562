import { type Json, type JsonObject, ownProperty } from "#core";
import { evaluateCel } from "./cel.ts";
import { checkCel } from "./check.ts";

/** Evaluates CEL over named values. @throws PerdureError `expression.failed`, also for a name that has no value. */
export type Decision = (values: JsonObject) => Json;

/** A decision that stands outside of a graph. @param maxWork - What one evaluation may go through, in values; sixteen characters of text are one. */
export function readDecision(source: string, maxWork: number): { ok: true; decision: Decision } | { ok: false; message: string; hint?: string } {
  const checked = checkCel(source);
  if (!checked.ok) return checked;
  const { roots } = checked;
  return {
    ok: true,
    decision: (values) =>
      evaluateCel(
        source,
        roots,
        {
          input: (ownProperty(values, "input") as Json | undefined) ?? null,
          inputs: {},
          variables: {},
          run: {},
          errors: {},
          node: (name) => (Object.hasOwn(values, name) ? { state: "value", value: values[name] as Json } : { state: "absent" }),
        },
        maxWork,
      ),
  };
}
