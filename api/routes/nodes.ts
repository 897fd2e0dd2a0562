import type { Handlers } from "../mount.ts";
import { notFound } from "../problem.ts";
import type { Services } from "../services.ts";

export function nodeHandlers({ nodes }: Services): Handlers<"listNodes" | "listNodeCategories" | "getNode"> {
  return {
    listNodes({ query }) {
      const search = query.search?.toLowerCase();
      const found = nodes
        .list()
        .filter((node) => query.category === undefined || node.category === query.category)
        .filter((node) => search === undefined || [node.name, node.display_name, node.description].some((text) => text.toLowerCase().includes(search)));
      return { status: 200, body: found, headers: { "x-total-count": String(found.length) } };
    },

    listNodeCategories: () => ({ status: 200, body: [...nodes.categories()] }),

    getNode({ params }) {
      const node = nodes.get(params.type);
      if (!node) throw notFound("node type");
      return { status: 200, body: node };
    },
  };
}
