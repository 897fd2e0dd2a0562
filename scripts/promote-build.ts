import { createLogger, readEnvOrExit } from "#platform";
import { connectTemporal, promoteBuild } from "#runs";

/**
 * `node scripts/promote-build.ts`: from now on the runs of WORKER_DEPLOYMENT go to the workers of WORKER_BUILD_ID, those that live with their next workflow task.
 * Waits for a worker of that build. Harmless to repeat; with an earlier build's id it is the way back.
 */
const env = readEnvOrExit();
const logger = createLogger("promote-build", env.LOG_LEVEL);
const { connection } = await connectTemporal({
  address: env.TEMPORAL_ADDRESS,
  namespace: env.TEMPORAL_NAMESPACE,
  tls: env.TEMPORAL_TLS,
  apiKey: env.TEMPORAL_API_KEY,
  logger,
});
try {
  await promoteBuild(connection, { namespace: env.TEMPORAL_NAMESPACE, deployment: env.WORKER_DEPLOYMENT, buildId: env.WORKER_BUILD_ID });
  logger.info({ deployment: env.WORKER_DEPLOYMENT, build_id: env.WORKER_BUILD_ID }, "Runs go to this build from now on.");
} finally {
  await connection.close();
}
