import { celPath, isReference, jsonataPath, type Reference } from "./reference.ts";

/** A CEL decision in which references stand without braces: `` cel`${order.output.amount} > ${100}` ``. Other values are written as JSON. */
export function cel(text: TemplateStringsArray, ...values: readonly (Reference | string | number | boolean | null)[]): string {
  return joined(text, values, celPath);
}

/** A JSONata expression in which references stand without braces: `` jsonata`$sum(${orders.output}.amount)` ``. Other values are written as JSON. */
export function jsonata(text: TemplateStringsArray, ...values: readonly (Reference | string | number | boolean | null)[]): string {
  return joined(text, values, jsonataPath);
}

function joined(text: TemplateStringsArray, values: readonly unknown[], pathOf: (of: Reference) => string): string {
  return text.raw.map((part, at) => (at === 0 ? part : `${written(values[at - 1], pathOf)}${part}`)).join("");
}

function written(value: unknown, pathOf: (of: Reference) => string): string {
  return isReference(value) ? pathOf(value) : JSON.stringify(value);
}
