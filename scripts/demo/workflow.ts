/** The example that the first start saves and runs: an order is looked at, a branch is taken, a model answers, a durable timer passes. */
export const DEMO_WORKFLOW = {
  name: "Thank a customer",
  description: "An example: a decision, a model and a durable timer.",
  tags: ["example"],
  flow_data: {
    nodes: [
      {
        id: "start",
        type: "Start",
        position: { x: 0, y: 120 },
        data: {
          name: "Order arrives",
          inputs: { schema: { type: "object", required: ["customer", "amount"], properties: { customer: { type: "string" }, amount: { type: "number" } } } },
        },
      },
      {
        id: "is_large",
        type: "Condition",
        position: { x: 220, y: 120 },
        data: { name: "Large order?", inputs: { condition: "input.amount >= 100" } },
      },
      {
        id: "warm",
        type: "Template",
        position: { x: 440, y: 40 },
        data: {
          name: "Warm thanks",
          inputs: { template: "Thank {{inputs.customer}} warmly for an order of {{inputs.amount}} euros and offer free delivery." },
        },
      },
      {
        id: "brief",
        type: "Template",
        position: { x: 440, y: 200 },
        data: { name: "Brief thanks", inputs: { template: "Thank {{inputs.customer}} briefly for an order of {{inputs.amount}} euros." } },
      },
      { id: "prompt", type: "Merge", position: { x: 660, y: 120 }, data: { name: "Whichever was taken", inputs: { mode: "first" } } },
      {
        id: "write",
        type: "OpenAINode",
        position: { x: 880, y: 120 },
        data: { name: "Write the letter", inputs: { system: "You write letters of at most three sentences.", temperature: 0.4 } },
      },
      { id: "pause", type: "Delay", position: { x: 1100, y: 120 }, data: { name: "Let the ink dry", inputs: { duration: "5s" } } },
      {
        id: "end",
        type: "End",
        position: { x: 1320, y: 120 },
        data: { name: "Letter", inputs: { value: { customer: "{{inputs.customer}}", letter: "{{write.text}}", model: "{{write.model}}" } } },
      },
    ],
    edges: [
      { id: "e1", source: "start", target: "is_large", sourceHandle: "output", targetHandle: "input" },
      { id: "e2", source: "is_large", target: "warm", sourceHandle: "true", targetHandle: "input" },
      { id: "e3", source: "is_large", target: "brief", sourceHandle: "false", targetHandle: "input" },
      { id: "e4", source: "warm", target: "prompt", sourceHandle: "output", targetHandle: "input" },
      { id: "e5", source: "brief", target: "prompt", sourceHandle: "output", targetHandle: "input" },
      { id: "e6", source: "prompt", target: "write", sourceHandle: "output", targetHandle: "input" },
      { id: "e7", source: "write", target: "pause", sourceHandle: "output", targetHandle: "input" },
      { id: "e8", source: "pause", target: "end", sourceHandle: "output", targetHandle: "input" },
    ],
  },
};

export const DEMO_INPUTS = { customer: "Ada", amount: 120 };
