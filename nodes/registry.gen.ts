/* Written by `npm run gen`. Do not edit. */
import type { NodeDefinition } from "./define.ts";
import delayNode from "./control/delay.ts";
import loopNode from "./control/loop.ts";
import mapReduceNode from "./control/map-reduce.ts";
import subWorkflowNode from "./control/sub-workflow.ts";
import waitForEventNode from "./control/wait-for-event.ts";
import waitUntilNode from "./control/wait-until.ts";
import codeNode from "./data/code.ts";
import setNode from "./data/set.ts";
import templateNode from "./data/template.ts";
import transformNode from "./data/transform.ts";
import httpRequestNode from "./http/http-request.ts";
import respondToWebhookNode from "./http/respond-to-webhook.ts";
import humanApprovalNode from "./human/human-approval.ts";
import humanInputNode from "./human/human-input.ts";
import conditionNode from "./logic/condition.ts";
import endNode from "./logic/end.ts";
import mergeNode from "./logic/merge.ts";
import switchNode from "./logic/switch.ts";
import openaiNodeNode from "./models/openai-node.ts";
import startNode from "./triggers/start.ts";
import timerStartNodeNode from "./triggers/timer-start-node.ts";
import webhookTriggerNode from "./triggers/webhook-trigger.ts";

/** Every node type. */
export const definitions: readonly NodeDefinition[] = [
  delayNode,
  loopNode,
  mapReduceNode,
  subWorkflowNode,
  waitForEventNode,
  waitUntilNode,
  codeNode,
  setNode,
  templateNode,
  transformNode,
  httpRequestNode,
  respondToWebhookNode,
  humanApprovalNode,
  humanInputNode,
  conditionNode,
  endNode,
  mergeNode,
  switchNode,
  openaiNodeNode,
  startNode,
  timerStartNodeNode,
  webhookTriggerNode,
];
