import { describe, expect, test } from "vitest";
import { createLogger, inLogContext } from "./index.ts";

function recorded() {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger("test", "debug", { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  return { logger, lines };
}

describe("the log", () => {
  test("K2: When work is done for a request and a run, then each line of it says so, also after waiting, and lines of other work do not", async () => {
    const { logger, lines } = recorded();
    await Promise.all([
      inLogContext({ correlation_id: "c1" }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 2));
        inLogContext({ run_id: "r1" }, () => logger.info({ n: 1 }, "inner"));
        logger.info("outer");
      }),
      inLogContext({ correlation_id: "c2" }, async () => logger.warn("other")),
    ]);
    logger.info("none");
    expect(lines.map(({ msg, correlation_id, run_id, n }) => [msg, correlation_id, run_id, n])).toEqual([
      ["other", "c2", undefined, undefined],
      ["inner", "c1", "r1", 1],
      ["outer", "c1", undefined, undefined],
      ["none", undefined, undefined, undefined],
    ]);
    expect(lines.every(({ time, level, name }) => typeof time === "number" && typeof level === "number" && name === "test")).toBe(true);
  });

  test("F6: When what is logged holds something secret, at the top or deeper, then it is redacted", () => {
    const { logger, lines } = recorded();
    const secret = "canary-value";
    const held = {
      password: secret,
      token: secret,
      access_token: secret,
      refresh_token: secret,
      api_key: secret,
      apiKey: secret,
      secret,
      client_secret: secret,
      private_key: secret,
      authorization: secret,
      cookie: secret,
      "set-cookie": secret,
      "x-api-key": secret,
    };
    logger.error({ ...held, req: { headers: held }, a: { b: { headers: held } } }, "top, second, third and fourth level");
    logger.error({ err: Object.assign(new Error("failed"), { config: { headers: held } }) }, "an error that carries its request");
    expect(JSON.stringify(lines)).not.toContain(secret);
    expect(lines[0]).toMatchObject({ password: "[redacted]", req: { headers: { "x-api-key": "[redacted]" } } });
  });
});
