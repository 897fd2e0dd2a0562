import { type Json, PerdureError } from "#core";
import type { Ref } from "../plan.ts";
import type { Frame } from "./frame.ts";
import { MISSING, type Missing, readBare, readRoot, type Scope } from "./scope.ts";

/** Follows own properties only. `length` of lists and strings is readable; nothing else is that JSON does not hold. */
function follow(value: Json, path: readonly (string | number)[]): Json | Missing {
  let here: Json = value;
  for (const key of path) {
    const next = step(here, key);
    if (next === MISSING) return MISSING;
    here = next;
  }
  return here;
}

function step(value: Json, key: string | number): Json | Missing {
  if (Array.isArray(value)) {
    if (key === "length") return value.length;
    const index = typeof key === "number" ? key : /^\d+$/.test(key) ? Number(key) : -1;
    return value[index] ?? (index >= 0 && index < value.length ? null : MISSING);
  }
  if (typeof value === "object" && value !== null) {
    const found = Object.hasOwn(value, key) ? value[key] : undefined;
    return found === undefined ? MISSING : found;
  }
  return typeof value === "string" && key === "length" ? value.length : MISSING;
}

/** What a reference names, or `MISSING`. A skipped node is `null` at any depth. */
export function read(ref: Ref, scope: Scope, frame: Frame | undefined): Json | Missing {
  if (ref.root === "node") {
    const node = scope.node(ref.id ?? "");
    if (node.state === "value") return follow(node.value, ref.path);
    return node.state === "skipped" ? null : MISSING;
  }
  const base = baseOf(ref, scope, frame);
  return base === MISSING ? MISSING : follow(base, ref.path);
}

function baseOf(ref: Ref, scope: Scope, frame: Frame | undefined): Json | Missing {
  switch (ref.root) {
    case "node": {
      const node = scope.node(ref.id ?? "");
      return node.state === "value" ? node.value : MISSING;
    }
    case "bare":
      return readBare(ref.id ?? "", scope);
    case "errors":
      return ref.id === undefined ? scope.errors : Object.hasOwn(scope.errors, ref.id) ? (scope.errors[ref.id] ?? null) : MISSING;
    case "local": {
      let at = frame;
      for (let up = ref.up ?? 0; up > 0; up--) at = at?.parent;
      return at === undefined ? MISSING : at.read(ref.id ?? "this");
    }
    default:
      return readRoot(ref.root, scope);
  }
}

/** @throws PerdureError `template.missing`, saying where the path ended and what there was. */
export function missing(ref: Ref, scope: Scope, frame: Frame | undefined): PerdureError {
  return new PerdureError("template.missing", explain(ref, scope, frame), {
    findings: [{ code: "template.missing", message: explain(ref, scope, frame), path: ref.source }],
  });
}

function explain(ref: Ref, scope: Scope, frame: Frame | undefined): string {
  const subject = `\`{{${ref.source}}}\` cannot be read: `;
  const base = baseOf(ref, scope, frame);
  if (base === MISSING) {
    switch (ref.root) {
      case "node":
        return `${subject}node ${ref.id} has no value yet.`;
      case "errors":
        return `${subject}node ${ref.id} has not failed.`;
      case "bare":
        return `${subject}there is no input or variable \`${ref.id}\`; ${available({ ...scope.variables, ...scope.inputs })}`;
      case "local":
        return `${subject}there is no \`${ref.id}\` here.`;
      default:
        return `${subject}there is no \`${ref.root}\` here.`;
    }
  }
  let here: Json = base;
  for (const [depth, key] of ref.path.entries()) {
    const next = step(here, key);
    if (next === MISSING) return `${subject}${place(ref, depth)} has no \`${key}\`; ${available(here)}`;
    here = next;
  }
  return `${subject}it is not there.`;
}

function place(ref: Ref, depth: number): string {
  const owner =
    ref.root === "node" ? `the value of node ${ref.id}` : ref.root === "bare" ? `\`${ref.id}\`` : ref.root === "local" ? `\`${ref.id}\`` : `\`${ref.root}\``;
  return depth === 0 ? owner : `${owner} at \`${ref.path.slice(0, depth).join(".")}\``;
}

const SHOWN_KEYS = 20;
function available(value: Json): string {
  if (value === null) return "it is null.";
  if (Array.isArray(value)) return `it is a list of ${value.length}.`;
  if (typeof value !== "object") return `it is a ${typeof value}.`;
  const keys = Object.keys(value);
  if (keys.length === 0) return "it is empty.";
  return `there is: ${keys.slice(0, SHOWN_KEYS).join(", ")}${keys.length > SHOWN_KEYS ? ` and ${keys.length - SHOWN_KEYS} more` : ""}.`;
}
