import { Connection } from "@temporalio/client";
import { InternalConnectionOptionsSymbol } from "@temporalio/client/lib/connection.js";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import { beforeAll, expect, inject } from "vitest";
import { createTemporaryFolder } from "../support/temporary-folder.ts";
import { verifies } from "../support/verifies.ts";
import { isLong, say } from "../scale/form.ts";
import { checkNinetyDays, DAY_MS, proveNinetyDays } from "./ninety-days.ts";
import { startTimeSkippingServer } from "./time-skipping-server.ts";

/** 90 days are 36 s: the work of both links is to be done before. */
const SCALED_DAY_MS = 400;

beforeAll(() => {
  Runtime.install({ logger: new DefaultLogger("ERROR") });
});

verifies(
  ["A10"],
  "When a run waits for 90 days of 0.4 s across two continue-as-new and a change of the interpreter, then it goes on at the end of them",
  async () => {
    const address = inject("temporalAddress");
    const connection = await Connection.connect({ address });
    const native = await NativeConnection.connect({ address });
    const proof = await proveNinetyDays({ connection, native, namespace: "perdure", dayMs: SCALED_DAY_MS, keepsRuns: true });
    say(`90 days of ${SCALED_DAY_MS} ms: ${proof.days.toFixed(2)} days; links: ${proof.histories.map(({ events }) => events?.length).join(", ")} events`);
    await checkNinetyDays(proof);
    await native.close();
    await connection.close();
  },
  180_000,
);

// Part of the long form alone: it fetches the server.
if (isLong)
  verifies(
    ["A10"],
    "When 90 days pass on a server that passes over time, across two continue-as-new and a change of the interpreter, then the run goes on at the end of them",
    async (context) => {
      const folder = await createTemporaryFolder();
      const server = await startTimeSkippingServer(folder.path);
      if ("missing" in server) {
        say(`SKIPPED: 90 days on the time-skipping server: ${server.missing}.`);
        await folder.remove();
        return context.skip(server.missing);
      }
      const options = { address: server.url, [InternalConnectionOptionsSymbol]: { supportsTestService: true } };
      const connection = await Connection.connect(options);
      const native = await NativeConnection.connect(options);
      await connection.testService?.lockTimeSkipping({});
      const proof = await proveNinetyDays({
        connection,
        native,
        namespace: "default",
        dayMs: DAY_MS,
        keepsRuns: false,
        onChanged: async () => void (await connection.testService?.unlockTimeSkipping({})),
      });
      say(
        `90 days on the time-skipping server: ${proof.days.toFixed(4)} days; links: ${proof.histories.map(({ events }) => events?.length).join(", ")} events`,
      );
      await checkNinetyDays(proof, 0.1 * DAY_MS);
      // Its clock stands still while there is work.
      expect(Math.max(proof.days, proof.serverDays)).toBeLessThan(90.1);
      expect(connection.testService).toBeDefined();
      await native.close();
      await connection.close();
      await server.stop();
      await folder.remove();
    },
    300_000,
  );
