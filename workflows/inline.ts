import { safeParse } from "#core";
import { inlineNodes } from "#nodes/inline.gen.ts";
import type { InlineDefinition } from "./interpreter/interpreter.ts";

const definitions = new Map<string, InlineDefinition>(
  Object.entries(inlineNodes).map(([type, node]) => {
    const inputs = node.inputs;
    return [
      type,
      {
        parse(value) {
          const result = safeParse(inputs, value);
          return result.success
            ? { ok: true, inputs: result.data }
            : { ok: false, issues: result.error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message })) };
        },
        run: (parsed, context) => node.run(parsed, context),
      } satisfies InlineDefinition,
    ];
  }),
);

export function inlineDefinition(type: string): InlineDefinition | undefined {
  return definitions.get(type);
}
