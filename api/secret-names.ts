/** Names, in snake case, under which secrets usually stand. */
export const MASKED_NAME = /^(?:.*_)?(?:api_?key|access_key|secret_key|private_key|token|password|passwd|passphrase|secret|authorization|cookie|credentials?)$/;
/** `https://user:password@host` and `?token=…`. */
export const IN_URL = /(?<=^https?:\/\/[^\s/:@]*:)[^\s/@{}]+(?=@)|(?<=[?&](?:api_?key|key|token|access_token|password|secret)=)[^&#\s{}]+/gi;

export function snakeCase(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll("-", "_")
    .toLowerCase();
}
