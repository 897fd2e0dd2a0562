/** Said of what makes a schema itself stumble. */
const STUMBLED = { code: "custom", path: [], message: "is not valid" };

/**
 * `schema.safeParse(value)`, which is safe for any JSON. zod 4 compares the `length` of whatever has one with its limits before it looks at the type, and
 * throws for `{"length": {"toString": null}}`, which has no primitive value.
 */
export function safeParse<R extends { success: boolean }>(schema: { safeParse(value: unknown): R }, value: unknown): R {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { success: false, error: { issues: [STUMBLED] } } as unknown as R;
  }
}
