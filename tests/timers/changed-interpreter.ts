/** The interpreter after a change of the order of its commands, made as the rules say: what began without it goes on without it. */
import { patched, sleep } from "@temporalio/workflow";
import { runGraph as unchanged } from "../../workflows/index.ts";

export const runGraph: typeof unchanged = async (...given) => {
  if (patched("a-breath-before-each-link")) await sleep(1);
  return unchanged(...given);
};
