import type { Connection } from "@temporalio/client";
import { PerdureError } from "#core";
import { GRPC, grpcCode } from "./temporal-errors.ts";

export interface Build {
  namespace: string;
  deployment: string | undefined;
  buildId: string | undefined;
}

const WORKER_WITHIN_MS = 120_000;
const ASK_AGAIN_MS = 500;

/**
 * Makes a build the current one of its worker deployment, once Temporal has heard of a worker of it.
 * @throws PerdureError `configuration.invalid` where a name is missing; `temporal.unavailable` where no such worker comes within `withinMs`.
 */
export async function promoteBuild({ workflowService }: Connection, { namespace, deployment, buildId }: Build, withinMs = WORKER_WITHIN_MS): Promise<void> {
  if (deployment === undefined || buildId === undefined) {
    throw new PerdureError("configuration.invalid", "Set WORKER_DEPLOYMENT and WORKER_BUILD_ID to say which build runs go to.");
  }
  for (const deadline = Date.now() + withinMs; ; await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))) {
    try {
      await workflowService.setWorkerDeploymentCurrentVersion({ namespace, deploymentName: deployment, buildId, identity: "perdure promote-build" });
      return;
    } catch (error) {
      const isUnknown = grpcCode(error) === GRPC.notFound || grpcCode(error) === GRPC.failedPrecondition;
      if (!isUnknown) throw error;
      if (Date.now() > deadline) {
        throw new PerdureError("temporal.unavailable", `No worker of the build "${buildId}" of "${deployment}" has come.`, { cause: error });
      }
    }
  }
}
