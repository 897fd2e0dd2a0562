import { credentialNamed } from "../credentials.ts";
import type { Findings } from "../findings.ts";
import type { NodeRecord } from "./record.ts";

/** The type of one of the organization's credentials; undefined where it has none of that id. */
export type ResolveCredential = (id: string) => string | undefined;

/** Reports credentials that are not there, and those of a type that the node cannot use. */
export function checkCredentials(records: readonly NodeRecord[], resolve: ResolveCredential, findings: Findings): void {
  for (const { node, type, given } of records) {
    for (const [input, types] of Object.entries(type?.credentials ?? {})) {
      const id = credentialNamed(given.get(input));
      if (id === undefined) continue;
      const where = { node_id: node.id, path: `inputs.${input}` };
      const found = resolve(id);
      if (found === undefined) {
        findings.problem("credential.unknown", `There is no credential \`${id}\`.`, { ...where, hint: "GET /api/v1/credentials lists those there are." });
      } else if (!types.includes(found)) {
        findings.problem(
          "credential.type",
          `${type?.type} \`${node.id}\` takes a credential of type ${types.join(" or ")}; this one is of type ${found}.`,
          where,
        );
      }
    }
  }
}
