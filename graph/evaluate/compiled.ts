import { type Json, type JsonObject } from "#core";
import { evaluateCel } from "../expression/cel.ts";
import type { Compiled, SecretSlot } from "../plan.ts";
import { missing, read } from "./read.ts";
import { MISSING, put, type Scope } from "./scope.ts";
import { evaluateExpression, render } from "./template.ts";

export interface Evaluated {
  /** A literal is the plan's own object: never change it in place. A string that holds a secret is `""` here. */
  value: Json;
  secrets: SecretSlot[];
}

/**
 * Evaluates inputs over the scope. Synchronous, without I/O or clock; what it reads is data and is never read for templates again.
 * @throws PerdureError `template.missing`, `expression.failed`, `output.too_large`.
 */
export function evaluate(compiled: Compiled, scope: Scope): Evaluated {
  const secrets: SecretSlot[] = [];
  return { value: evaluateAt(compiled, scope, [], secrets), secrets };
}

function evaluateAt(compiled: Compiled, scope: Scope, path: (string | number)[], secrets: SecretSlot[]): Json {
  switch (compiled.k) {
    case "lit":
      return compiled.v;
    case "list":
      return compiled.items.map((item, index) => evaluateAt(item, scope, [...path, index], secrets));
    case "object": {
      const object: JsonObject = {};
      for (const [key, value] of compiled.fields) put(object, key, evaluateAt(value, scope, [...path, key], secrets));
      return object;
    }
    case "ref": {
      const value = read(compiled.ref, scope, undefined);
      if (value === MISSING) throw missing(compiled.ref, scope, undefined);
      return value;
    }
    case "expr":
      return evaluateExpression(compiled.expr, scope, undefined);
    case "text": {
      const parts = render(compiled.body, scope);
      if (parts.every((part) => typeof part === "string")) return parts.join("");
      secrets.push({ path, parts });
      return "";
    }
    case "secret":
      secrets.push({ path, parts: [{ secret: compiled.name }] });
      return "";
    case "cel":
      return evaluateCel(compiled.source, compiled.roots, scope);
  }
}
