import postgres from "postgres";
import { expect, test } from "vitest";
import { PerdureError } from "#core";
import { connectionLost, translate, translateStartup } from "./errors.ts";

const fromServer = (code: string) => Object.assign(new postgres.PostgresError("m" as never), { code });
const fromSystem = (code: string) => Object.assign(new Error("m"), { code });
const codeOf = (error: unknown) => (error instanceof PerdureError ? error.code : undefined);

test("When the connection, or the server as a whole, is the trouble, then the error says that the database is unavailable", () => {
  for (const error of [
    connectionLost("m"),
    fromSystem("ECONNREFUSED"),
    fromSystem("EAI_AGAIN"),
    fromSystem("CONNECT_TIMEOUT"),
    ...["57P01", "57P03", "53300", "08006", "57014"].map(fromServer),
  ]) {
    expect(codeOf(translate(error)), String((error as { code?: string }).code)).toBe("database.unavailable");
  }
});

test("When the statement, or our own code, is the trouble, then the error stays what it is", () => {
  for (const error of [
    fromServer("23505"),
    fromServer("22P02"),
    fromServer("42501"),
    new TypeError("m"),
    new RangeError("m"),
    fromSystem("ERR_INVALID_ARG_TYPE"),
    new PerdureError("resource.conflict", "m"),
  ]) {
    expect(translate(error)).toBe(error);
  }
});

test("When settings are wrong at start-up, then the error says which", () => {
  for (const code of ["28P01", "3D000", "42501", "22023"]) expect(codeOf(translateStartup(fromServer(code)))).toBe("configuration.invalid");
  expect(codeOf(translateStartup(fromSystem("ECONNREFUSED")))).toBe("database.unavailable");
});
