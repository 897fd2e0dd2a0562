import { PerdureError, type Finding } from "#core";
import type { LiveProvider, NodeDefinition } from "#nodes";
import type { LiveRecipe, NodeCall } from "#workflows/messages";
import { fillSecrets, type SecretSource } from "./secrets.ts";

export interface PreparedInputs {
  inputs: Record<string, unknown>;
  providers: Readonly<Record<string, readonly LiveProvider[]>>;
  /** Every secret that was filled in, value by name. */
  used: Map<string, string>;
}

/**
 * What a node's handler is given: inputs with secrets filled in and checked, providers made live.
 * @throws PerdureError `secret.missing`; `validation.failed` with every finding; `configuration.invalid` for an unknown provider type.
 */
export function prepareInputs(
  call: NodeCall,
  definition: NodeDefinition,
  secret: SecretSource,
  definitionOf: (type: string) => NodeDefinition | undefined,
  used: Map<string, string>,
): PreparedInputs {
  const { inputs } = fillSecrets(call.inputs, call.secret_slots, secret, used);
  const parsed = parseInputs(definition, inputs, call.node_id);
  const live = (recipes: Record<string, LiveRecipe[]> | undefined): Record<string, LiveProvider[]> =>
    Object.fromEntries(Object.entries(recipes ?? {}).map(([handle, plugged]) => [handle, plugged.map(makeLive)]));
  const makeLive = (recipe: LiveRecipe): LiveProvider => {
    const provider = definitionOf(recipe.type);
    if (!provider) throw new PerdureError("configuration.invalid", `The provider type ${recipe.type} of ${recipe.id} is not known to this worker.`);
    const filled = fillSecrets(recipe.inputs, recipe.secret_slots, secret, used);
    return { id: recipe.id, type: recipe.type, inputs: parseInputs(provider, filled.inputs, recipe.id), providers: live(recipe.providers) };
  };
  return { inputs: parsed, providers: live(call.providers), used };
}

function parseInputs(definition: NodeDefinition, inputs: Record<string, unknown>, nodeId: string): Record<string, unknown> {
  const result = definition.inputs.safeParse(inputs);
  if (result.success) return result.data;
  const findings: Finding[] = result.error.issues.map((issue) => ({
    code: "input.invalid",
    message: issue.message,
    path: issue.path.join("."),
    node_id: nodeId,
  }));
  const told = findings.map(({ path, message }) => `${path || "inputs"}: ${message}`).join("; ");
  throw new PerdureError("validation.failed", `The inputs of ${nodeId} do not fit: ${told}.`, { findings });
}
