import { z } from "zod";
import { defineNode } from "../define.ts";
import { text } from "../inputs.ts";

export default defineNode({
  kind: "inline",
  type: "Template",
  aliases: ["PromptTemplate"],
  category: "data",
  displayName: "Template",
  description: "Fills a Handlebars template and hands on the text.",
  inputs: z.object({
    template: text().describe("`{{path}}`, `{{#if}}`, `{{#each}}` …"),
  }),
  inputAliases: { prompt_template: "template", prompt: "template", text: "template" },
  outputs: z.string().describe("The text."),
  run: ({ template }) => ({ value: template }),
});
