import { defineConfig } from "drizzle-kit";

/** `drizzle-kit generate` writes the tables; roles, policies, functions and grants are written by hand (`--custom`). */
export default defineConfig({
  dialect: "postgresql",
  schema: "./db/schema/index.ts",
  out: "./db/migrations",
});
