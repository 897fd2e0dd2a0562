import { EXPORT_FORMAT, EXPORT_FORMAT_VERSION, type WorkflowExportJson } from "#contract/exchange.ts";
import { type Json, type JsonObject, PerdureError } from "#core";
import { shareable } from "../exchange/share.ts";
import { ownSettings, sentGraph, storedFindings, toVersion, withSettings } from "../graphs.ts";
import type { Handlers } from "../mount.ts";
import { notFound } from "../problem.ts";
import type { Services } from "../services.ts";
import { asGraph, savedWorkflow } from "./workflows.ts";

const UNNAMED = "Imported workflow";

export function exchangeHandlers({ db: { workflows }, compile, yaml }: Services): Handlers<"exportWorkflow" | "importWorkflow"> {
  return {
    async exportWorkflow({ params, query, principal, c }) {
      const found = await workflows.get(principal.tenantId, params.id);
      if (!found) throw notFound("workflow");
      const version = query.version === undefined ? found.version : await workflows.version(principal.tenantId, params.id, query.version);
      if (!version) throw notFound("version");
      const { graph, secrets, withheld } = shareable(asGraph(version.graph), { pinnedOutputs: query.pinned_outputs });
      const { name, description, tags } = found.workflow;
      const file: WorkflowExportJson = {
        format: EXPORT_FORMAT,
        format_version: EXPORT_FORMAT_VERSION,
        name,
        description,
        tags,
        flow_data: graph,
        secrets,
        withheld,
      };
      const [type, text] =
        query.format === "yaml"
          ? ["application/yaml", await yaml.write(file as unknown as Json, c.req.raw.signal)]
          : ["application/json", `${JSON.stringify(file, null, 2)}\n`];
      return new Response(text, {
        headers: { "content-type": type, "content-disposition": `attachment; filename="${fileName(name)}.${query.format}"`, etag: `"${version.version}"` },
      });
    },

    async importWorkflow({ body, query, principal }) {
      const { nodes, edges } = body;
      const sent: JsonObject | undefined = sentGraph({ flow_data: body.flow_data, nodes, edges });
      if (!sent) {
        throw new PerdureError("validation.failed", "The file holds no graph.", {
          findings: [{ code: "validation.required", message: "is required, or `nodes` and `edges` at the top", path: "flow_data" }],
        });
      }
      const graph = withSettings(sent, body.settings && Object.keys(body.settings).length > 0 ? body.settings : undefined);
      const { version, warnings } = await toVersion(compile, principal, graph);
      const created = await workflows.create(
        principal.tenantId,
        {
          name: query.name ?? body.name ?? UNNAMED,
          description: body.description ?? "",
          tags: body.tags ?? [],
          settings: ownSettings(graph),
          isPublic: false,
          createdBy: principal.userId,
        },
        version,
      );
      return savedWorkflow(201, created.workflow, created.version, storedFindings(created.version.problems), warnings);
    },
  };
}

/** Of letters, digits and dashes: goes into a header as it is. */
function fileName(name: string): string {
  const plain = name
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return plain.slice(0, 80) || "workflow";
}
