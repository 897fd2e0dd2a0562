import { isObject, type JsonObject } from "#core";
import type { ProviderRecipe } from "#graph";
import { evaluate, type Scope } from "#graph/runtime";
import type { LiveRecipe } from "../messages.ts";

/** Evaluates the templates of plugged-in providers; their secrets stay out of band. */
export function liveRecipes(providers: Record<string, ProviderRecipe[]>, scope: Scope): Record<string, LiveRecipe[]> {
  return Object.fromEntries(
    Object.entries(providers).map(([handle, recipes]) => [
      handle,
      recipes.map(({ inputs, providers: nested, ...rest }) => {
        const { value, secrets } = evaluate(inputs, scope);
        return {
          ...rest,
          inputs: isObject(value) ? (value as JsonObject) : {},
          secret_slots: secrets,
          ...(nested && { providers: liveRecipes(nested, scope) }),
        };
      }),
    ]),
  );
}
