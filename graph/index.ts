/** What can be known about a graph without running it. */
export * from "./catalogue.ts";
export * from "./plan.ts";
