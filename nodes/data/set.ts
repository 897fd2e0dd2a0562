import { isObject } from "#core";
import { z } from "zod";
import { defineNode } from "../define.ts";
import { flag, record } from "../inputs.ts";

export default defineNode({
  kind: "inline",
  type: "Set",
  aliases: ["SetValues"],
  category: "data",
  displayName: "Set",
  description: "Makes an object of named values.",
  inputs: z.object({
    values: record().default({}).describe("Name and value, templates anywhere."),
    keep_input: flag().default(false).describe("Add the values to the fields of what arrives; what is no object is kept as `input`."),
  }),
  inputAliases: { fields: "values", assignments: "values" },
  outputs: z.record(z.string(), z.unknown()).describe("The object."),
  run: ({ values, keep_input }, { input }) => {
    const kept = !keep_input ? {} : isObject(input) ? input : { input };
    return { value: { ...kept, ...values } };
  },
});
