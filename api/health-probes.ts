import { get } from "node:http";
import { get as getSecurely } from "node:https";
import type { Client } from "@temporalio/client";
import type { Database } from "#db";
import type { HealthProbes } from "./services.ts";

export function createHealthProbes({
  db,
  temporal,
  namespace,
  qdrantUrl,
  qdrantApiKey,
}: {
  db: Database;
  temporal: Client;
  namespace: string;
  qdrantUrl: string;
  qdrantApiKey?: string | undefined;
}): HealthProbes {
  return {
    postgres: () => db.ping(),
    async temporal(signal) {
      await temporal.connection.withAbortSignal(signal, () => temporal.workflowService.describeNamespace({ namespace }));
    },
    qdrant: (signal) =>
      answers(new URL("readyz", qdrantUrl.endsWith("/") ? qdrantUrl : `${qdrantUrl}/`), qdrantApiKey === undefined ? {} : { "api-key": qdrantApiKey }, signal),
  };
}

/** Resolves when the URL of our own settings answers 2xx. */
function answers(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? getSecurely : get)(url, { headers, signal }, (response) => {
      response.resume();
      if (response.statusCode !== undefined && response.statusCode >= 200 && response.statusCode < 300) resolve();
      else reject(new Error(`answered ${response.statusCode}`));
    });
    request.on("error", reject);
  });
}
