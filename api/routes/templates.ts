import { ownSettings, storedFindings, toVersion } from "../graphs.ts";
import type { Handlers } from "../mount.ts";
import { notFound } from "../problem.ts";
import type { Services } from "../services.ts";
import { savedWorkflow } from "./workflows.ts";

export function templateHandlers({ db: { workflows }, compile, templates }: Services): Handlers<"listTemplates" | "getTemplate" | "useTemplate"> {
  function existing(id: string) {
    const found = templates.get(id);
    if (!found) throw notFound("template");
    return found;
  }

  return {
    listTemplates({ query }) {
      const search = query.search?.toLowerCase();
      const found = templates
        .list()
        .filter(({ category }) => query.category === undefined || category === query.category)
        .filter(({ name, description, tags }) => search === undefined || [name, description, ...tags].some((text) => text.toLowerCase().includes(search)))
        .map(({ flow_data: _graph, ...template }) => template);
      return { status: 200, body: found, headers: { "x-total-count": String(found.length) } };
    },

    getTemplate: ({ params }) => ({ status: 200, body: existing(params.template_id) }),

    async useTemplate({ params, body, principal }) {
      const template = existing(params.template_id);
      const { version, warnings } = await toVersion(compile, principal, template.flow_data);
      const created = await workflows.create(
        principal.tenantId,
        {
          name: body.name ?? template.name,
          description: body.description ?? template.description,
          tags: body.tags ?? template.tags,
          settings: ownSettings(template.flow_data),
          isPublic: false,
          createdBy: principal.userId,
        },
        version,
      );
      return savedWorkflow(201, created.workflow, created.version, storedFindings(created.version.problems), warnings);
    },
  };
}
