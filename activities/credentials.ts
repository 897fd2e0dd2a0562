import { type Finding, PerdureError } from "#core";
import { credentialNamed } from "#graph";
import { credentialType, type LiveCredential, type NodeDefinition } from "#nodes";
import type { LiveRecipe, NodeCall } from "#workflows/messages";

type Named = Pick<NodeCall, "type" | "inputs" | "providers">;

/** Ids of the credentials that a call and the providers plugged into it name. */
export function credentialsNamed(call: Named, definitionOf: (type: string) => NodeDefinition | undefined): string[] {
  const found = new Set<string>();
  const open: (Named | LiveRecipe)[] = [call];
  for (let next = open.pop(); next; next = open.pop()) {
    for (const input of Object.keys(definitionOf(next.type)?.credentials ?? {})) {
      const id = credentialNamed(next.inputs[input]);
      if (id !== undefined) found.add(id);
    }
    open.push(...Object.values(next.providers ?? {}).flat());
  }
  return [...found];
}

/**
 * The credentials of one node, by input. Values that are secrets are added to `used`, by a name that may be shown.
 * @throws PerdureError `credential.missing` for what is not there, or not of a type that the node takes.
 */
export function takeCredentials(
  definition: NodeDefinition,
  inputs: Readonly<Record<string, unknown>>,
  nodeId: string,
  stored: ReadonlyMap<string, LiveCredential>,
  used: Map<string, string>,
): Record<string, LiveCredential> {
  const findings: Finding[] = [];
  const taken: Record<string, LiveCredential> = {};
  for (const [input, types] of Object.entries(definition.credentials ?? {})) {
    const id = credentialNamed(inputs[input]);
    if (id === undefined) continue;
    const credential = stored.get(id);
    const where = { path: `inputs.${input}`, node_id: nodeId };
    if (!credential) findings.push({ code: "credential.missing", message: `There is no credential ${id}.`, ...where });
    else if (!types.includes(credential.type)) {
      findings.push({ code: "credential.type", message: `The credential ${id} is of type ${credential.type}; taken are ${types.join(", ")}.`, ...where });
    } else {
      taken[input] = credential;
      const plain = credentialType(credential.type)?.plain;
      for (const [field, value] of Object.entries(credential.values)) if (!plain?.has(field)) used.set(`${id} ${field}`, value);
    }
  }
  if (findings.length > 0) throw new PerdureError("credential.missing", findings.map(({ message }) => message).join(" "), { findings });
  return taken;
}
