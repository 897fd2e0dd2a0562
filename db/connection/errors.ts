import postgres from "postgres";
import { PerdureError } from "#core";

/**
 * Classes of SQLSTATE that say something of the server's state and nothing of the statement: connection exceptions, lack of resources,
 * operator intervention (57014, a cancelled statement, is one of them), internal errors of the system (58).
 */
const UNAVAILABLE_CLASSES = new Set(["08", "53", "57", "58"]);

const SQLSTATE = /^[0-9A-Z]{5}$/;
export const UNIQUE_VIOLATION = "23505";

/** The code of an error that PostgreSQL itself sent; undefined for all else. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof postgres.PostgresError && SQLSTATE.test(error.code) ? error.code : undefined;
}

/** Ours, beside those of the operating system (ECONNRESET …) and of the driver. */
const CONNECTION_LOST = "CONNECTION_LOST";
const DRIVER_CODES = new Set([CONNECTION_LOST, "CONNECTION_CLOSED", "CONNECTION_ENDED", "CONNECTION_DESTROYED", "CONNECT_TIMEOUT"]);
const SYSTEM_CODE = /^E[A-Z]+(_AGAIN)?$/;

export function connectionLost(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: CONNECTION_LOST });
}

function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return false;
  return DRIVER_CODES.has(error.code) || SYSTEM_CODE.test(error.code);
}

/** What leaves this folder: `database.unavailable` for everything that another attempt may cure, else the error as it is. */
export function translate(error: unknown): unknown {
  if (error instanceof PerdureError) return error;
  const state = sqlState(error);
  const isUnavailable = state === undefined ? isConnectionLoss(error) : UNAVAILABLE_CLASSES.has(state.slice(0, 2));
  if (!isUnavailable) return error;
  return new PerdureError("database.unavailable", "The database cannot be reached at present.", { cause: error });
}

/** SQLSTATEs at start-up that only a change of settings cures, with what to say of them. */
const SETTINGS: Record<string, string> = {
  "28000": "The database refuses the user of DATABASE_URL.",
  "28P01": "The database refuses the password of DATABASE_URL.",
  "3D000": "The database that DATABASE_URL names does not exist.",
  "42501":
    "The user of DATABASE_URL may not create, or take on, the roles perdure_app and perdure_system; an administrator must grant them (with CREATEROLE, or GRANT … TO that user).",
  "22023": "The roles perdure_app and perdure_system do not exist in this cluster; run the migrations.",
};

/** As `translate`, for what a process does before it serves: also says what is wrong with the settings. */
export function translateStartup(error: unknown): unknown {
  const message = SETTINGS[sqlState(error) ?? ""];
  return message === undefined ? translate(error) : new PerdureError("configuration.invalid", message, { cause: error });
}
