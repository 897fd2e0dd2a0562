import { expect, test } from "vitest";
import { PerdureError, tenantId } from "#core";
import { patientStore } from "./patient-store.ts";
import { createMemoryStore } from "./testing/memory-store.ts";

const tenant = tenantId("0198c0de-0000-7000-8000-000000000001");

test("A4: When the database is away for a moment, then what Temporal holds is opened once it is back", async () => {
  const store = createMemoryStore();
  let asked = 0;
  const failing = (times: number, error: Error) => ({
    ...store,
    getBlob: async () => {
      if (asked++ < times) throw error;
      return Buffer.from("there");
    },
  });
  expect((await patientStore(failing(2, new PerdureError("database.unavailable", "Away.")), 5_000).getBlob(tenant, "h"))?.toString()).toBe("there");
  asked = 0;
  await expect(patientStore(failing(9, new PerdureError("database.unavailable", "Away.")), 300).getBlob(tenant, "h")).rejects.toThrow("Away.");
  asked = 0;
  await expect(patientStore(failing(1, new Error("broken")), 5_000).getBlob(tenant, "h")).rejects.toThrow("broken");
});
