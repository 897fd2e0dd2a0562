import { z } from "zod";
import { text } from "../inputs.ts";
import { toBase64 } from "./wire.ts";

/** How a request proves who sends it. Values are best given as `{{secrets.NAME}}`. */
export const authSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("none") }),
  z.object({ type: z.literal("bearer"), token: text() }),
  z.object({ type: z.literal("basic"), username: text(), password: text() }),
  z.object({ type: z.literal("api_key"), name: z.string().min(1), value: text(), in: z.enum(["header", "query"]).default("header") }),
]);
export type Authentication = z.output<typeof authSchema>;

/** Puts it into the headers (names in lower case) or the URL's query. */
export function authenticate(auth: Authentication, headers: Map<string, string>, url: URL): void {
  switch (auth.type) {
    case "none":
      return;
    case "bearer":
      headers.set("authorization", `Bearer ${auth.token}`);
      return;
    case "basic":
      headers.set("authorization", `Basic ${toBase64(new TextEncoder().encode(`${auth.username}:${auth.password}`))}`);
      return;
    case "api_key":
      if (auth.in === "query") url.searchParams.set(auth.name, auth.value);
      else headers.set(auth.name.toLowerCase(), auth.value);
  }
}
