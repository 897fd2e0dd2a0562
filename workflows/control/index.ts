/** What the interpreter itself runs: timers and waits. */
import type { ControlStep } from "./control-step.ts";
import { delay } from "./delay.ts";
import { humanApproval, humanInput } from "./human.ts";
import { waitForEvent } from "./wait-for-event.ts";
import { waitUntil } from "./wait-until.ts";

export type { ControlContext, ControlStep, Wait, WaitEnd } from "./control-step.ts";

/** By canonical node type. */
export const controlSteps: Readonly<Record<string, ControlStep>> = {
  Delay: delay,
  WaitUntil: waitUntil,
  HumanApproval: humanApproval,
  HumanInput: humanInput,
  WaitForEvent: waitForEvent,
};
