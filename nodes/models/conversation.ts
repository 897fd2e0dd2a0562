import { isObject } from "#core";
import { z } from "zod";
import type { ChatMessage } from "../define.ts";
import { text } from "../inputs.ts";

const ROLES: Readonly<Record<string, ChatMessage["role"]>> = {
  system: "system",
  developer: "system",
  user: "user",
  human: "user",
  assistant: "assistant",
  ai: "assistant",
};

export const messageSchema = z.object({
  role: z
    .preprocess((role) => (typeof role === "string" && Object.hasOwn(ROLES, role) ? ROLES[role] : role), z.enum(["system", "user", "assistant"]))
    .describe("`system`, `user` or `assistant`."),
  content: text().describe("What was said."),
});

interface Said {
  system?: string | null | undefined;
  messages?: readonly ChatMessage[] | null | undefined;
  prompt?: string | null | undefined;
}

/**
 * What the model is given: the system message, the messages, then the prompt. With neither messages nor prompt the node's input speaks: a
 * string as it is, else `message`, `prompt`, `text` or `input` of the object, else its JSON.
 */
export function conversation({ system, messages, prompt }: Said, input: unknown): ChatMessage[] {
  const said: ChatMessage[] = [...(messages ?? [])];
  if (prompt !== undefined && prompt !== null && prompt !== "") said.push({ role: "user", content: prompt });
  else if (said.length === 0) said.push({ role: "user", content: spoken(input) });
  return system ? [{ role: "system", content: system }, ...said] : said;
}

function spoken(input: unknown): string {
  if (typeof input === "string") return input;
  if (isObject(input)) {
    for (const name of ["message", "prompt", "text", "input"]) {
      const value = Object.hasOwn(input, name) ? input[name] : undefined;
      if (typeof value === "string" && value !== "") return value;
    }
  }
  return JSON.stringify(input ?? null);
}
