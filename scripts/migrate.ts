import { migrate } from "#db";
import { createLogger, readEnvOrExit } from "#platform";

/** `npm run db:migrate`: brings the database of DATABASE_URL up to date. Harmless to repeat, and to run from several places at once. */
const env = readEnvOrExit();
await migrate(env.DATABASE_URL, createLogger("migrate", env.LOG_LEVEL));
