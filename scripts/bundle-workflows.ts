/** Makes the bundle of the workflows ahead of the first worker's start: for images, whose files nobody may write later. */
import { ourWorkflows } from "../worker/bundle.ts";

await ourWorkflows();
