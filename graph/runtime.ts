/**
 * What workflow code needs of a graph: evaluating a plan's inputs. Loads without Node built-ins, zod or any parser of templates; everything
 * in it is synchronous and a pure function of its arguments.
 */
export { evaluate, type Evaluated } from "./evaluate/compiled.ts";
export { canMigrate } from "./migrate.ts";
export type { Plan, Step } from "./plan.ts";
export { EVERY_NAME, type NodeReading, type Scope, scopeFor } from "./evaluate/scope.ts";
