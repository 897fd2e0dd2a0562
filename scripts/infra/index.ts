/** Starts real servers – PostgreSQL, Temporal, Qdrant – on this machine, each in a folder of its own. */
export { MissingBinaryError, qdrantBinary, temporalBinary } from "./binaries.ts";
export { cacheFolder } from "./folders.ts";
export { startPostgres } from "./postgres.ts";
export { describeExit, kill, type Exit, prepareLog, type Server, StartError, tail, within } from "./process.ts";
export { keeper } from "./keeper.ts";
export { isFree, nextFreePort } from "./ports.ts";
export { PROCESS_SETTINGS } from "./process-settings.ts";
export { createProgress, type Paint, paint, type Progress, seconds, silentProgress, type Step } from "./progress.ts";
export { startQdrant } from "./qdrant.ts";
export { startTemporal, type TemporalServer } from "./temporal.ts";
