import { DefaultFailureConverter } from "@temporalio/common";

/** Puts messages and stacks of failures into a payload, which the codec seals. Loaded by Temporal, also into the workflow bundle: nothing else here. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
