import type { JsonObject } from "#core";
import { z } from "zod";
import { HTTP_CREDENTIALS } from "../credential-types.ts";
import type { ActivityNode } from "../define.ts";
import { credentialId } from "../inputs.ts";
import { compileCustomNode, CUSTOM_PREFIX, type CustomNodeDefinition } from "./definition.ts";
import { DEFINITION, runCustomNode } from "./run.ts";
import { inputShape, zodOf } from "./schemas.ts";

const credentialInput = credentialId().describe("Id of a credential that proves who sends the request.");

/** What every worker runs nodes of custom types by: all that tells one from another comes with the call. */
export const anyCustomNode: ActivityNode = {
  kind: "activity",
  type: "custom",
  category: "custom",
  displayName: "Custom node",
  description: "Sends the request that its organization has registered.",
  inputs: z.looseObject({ [DEFINITION]: z.unknown(), credential: credentialInput }),
  outputs: z.unknown(),
  dialects: { credential: "literal" },
  fixedInputs: ["credential"],
  credentials: { credential: HTTP_CREDENTIALS },
  inputAliases: { credential_id: "credential" },
  policy: { timeout: "5m" },
  effect: "at_least_once",
  run: runCustomNode,
};

/** One version of a custom node type, as the compiler and the registry see it. */
export function customNodeType(name: string, version: number, definition: CustomNodeDefinition): ActivityNode {
  const takesCredential = definition.credential_types.length > 0;
  const properties = definition.input_schema["properties"] as Record<string, JsonObject> | undefined;
  const { dialects: _dialects, fixedInputs: _fixed, credentials: _credentials, inputAliases: _aliases, ...common } = anyCustomNode;
  return {
    ...common,
    type: CUSTOM_PREFIX + name,
    category: definition.category,
    displayName: definition.display_name,
    description: definition.description,
    inputs: z.object({ ...inputShape(definition.input_schema), ...(takesCredential && { credential: credentialInput }) }),
    outputs: definition.output_schema ? zodOf(definition.output_schema) : z.unknown(),
    confidential: Object.entries(properties ?? {})
      .filter(([, property]) => property["writeOnly"] === true)
      .map(([input]) => input),
    ...(takesCredential && {
      dialects: { credential: "literal" as const },
      fixedInputs: ["credential"],
      credentials: { credential: definition.credential_types },
      inputAliases: { credential_id: "credential" },
    }),
    constants: { [DEFINITION]: compileCustomNode(name, version, definition) as unknown as JsonObject },
  };
}
