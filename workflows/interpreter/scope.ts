import type { Json, JsonObject } from "#core";
import type { NodeReading, Scope } from "#graph/runtime";
import type { Frame } from "./frame.ts";

/** What one step may read: its own iteration first, then what is around it. */
export function scopeOf(frame: Frame, input: Json, run: { inputs: JsonObject; variables: JsonObject; run: JsonObject }): Scope {
  return { ...run, input, errors: errorsOf(frame), node: (id) => read(frame, id), ...iterationOf(frame, run) };
}

function iterationOf(frame: Frame, run: { inputs: JsonObject; variables: JsonObject; run: JsonObject }): Pick<Scope, "item" | "index" | "outer"> {
  const { around } = frame;
  if (!around) return {};
  if (around.isUndo) return iterationOf(around.owner.frame, run);
  const outer = around.owner.frame;
  return { item: around.item, index: around.position, ...(isIterated(outer) && { outer: scopeOf(outer, null, run) }) };
}

function isIterated({ around }: Frame): boolean {
  return around !== undefined && (!around.isUndo || isIterated(around.owner.frame));
}

function errorsOf(frame: Frame): Record<string, Json> {
  return frame.around ? { ...errorsOf(frame.around.owner.frame), ...frame.errors } : frame.errors;
}

function read(from: Frame, id: string): NodeReading {
  for (let frame: Frame | undefined = from; frame; frame = frame.around?.owner.frame) {
    const index = frame.find(id);
    if (index === undefined) continue;
    const state = frame.state(index);
    if (state.recovered && state.value !== undefined) return { state: "value", value: state.value };
    if (state.status === "skipped") return { state: "skipped" };
    if (state.status === "failed") return { state: "value", value: null };
    if (state.status !== "completed" || state.value === undefined) return { state: "absent" };
    const aliases = frame.step(index).output_aliases;
    return { state: "value", value: state.value, ...(aliases && { aliases }) };
  }
  return { state: "absent" };
}
