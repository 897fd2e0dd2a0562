import type { Client } from "@temporalio/client";
import type { Database } from "#db";
import type { Fetch } from "#integrations/http";
import type { HealthProbes } from "./services.ts";

export function createHealthProbes({
  db,
  temporal,
  namespace,
  qdrantUrl,
  qdrantApiKey,
  fetchOf,
}: {
  db: Database;
  temporal: Client;
  namespace: string;
  qdrantUrl: string;
  qdrantApiKey?: string | undefined;
  /** Reaches an origin of our own settings, wherever it is. */
  fetchOf(trustedOrigin: string): Fetch;
}): HealthProbes {
  return {
    postgres: () => db.ping(),
    async temporal(signal) {
      await temporal.connection.withAbortSignal(signal, () => temporal.workflowService.describeNamespace({ namespace }));
    },
    async qdrant(signal) {
      const url = new URL("readyz", qdrantUrl.endsWith("/") ? qdrantUrl : `${qdrantUrl}/`);
      const response = await fetchOf(url.origin)(url, { headers: qdrantApiKey === undefined ? {} : { "api-key": qdrantApiKey }, signal });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`answered ${response.status}`);
    },
  };
}
