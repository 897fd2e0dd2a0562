import { PerdureError, type Finding, safeParse } from "#core";
import type { LiveCredential, LiveProvider, NodeDefinition } from "#nodes";
import type { LiveRecipe, NodeCall } from "#workflows/messages";
import { takeCredentials } from "./credentials.ts";
import { fillSecrets, type SecretSource } from "./secrets.ts";

export interface PreparedInputs {
  inputs: Record<string, unknown>;
  providers: Readonly<Record<string, readonly LiveProvider[]>>;
  /** By the input that names it. */
  credentials: Readonly<Record<string, LiveCredential>>;
  /** Every secret that was filled in, and of credentials, value by name. */
  used: Map<string, string>;
}

/**
 * What a node's handler is given: inputs with secrets filled in and checked, providers made live, credentials opened.
 * @throws PerdureError `secret.missing`; `credential.missing`; `validation.failed` with every finding; `configuration.invalid` for an unknown provider type.
 */
export function prepareInputs(
  call: NodeCall,
  definition: NodeDefinition,
  { secret, credentials }: { secret: SecretSource; credentials: ReadonlyMap<string, LiveCredential> },
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
    return {
      id: recipe.id,
      type: recipe.type,
      inputs: parseInputs(provider, filled.inputs, recipe.id),
      providers: live(recipe.providers),
      credentials: takeCredentials(provider, recipe.inputs, recipe.id, credentials, used),
    };
  };
  const taken = takeCredentials(definition, call.inputs, call.node_id, credentials, used);
  return { inputs: parsed, providers: live(call.providers), credentials: taken, used };
}

function parseInputs(definition: NodeDefinition, inputs: Record<string, unknown>, nodeId: string): Record<string, unknown> {
  const result = safeParse(definition.inputs, inputs);
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
