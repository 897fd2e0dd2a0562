import { RETENTION_KIND_NAMES, type RetentionDays, type TenantId } from "#core";
import { retentionDefaults } from "#runs";
import type { Handlers } from "../mount.ts";
import type { Services } from "../services.ts";

export function retentionHandlers({ db: { retention }, settings }: Services): Handlers<"getRetention" | "setRetention" | "getStorage"> {
  const defaults = retentionDefaults(settings);

  async function reply(tenant: TenantId) {
    const own = await retention.get(tenant);
    const days = Object.fromEntries(RETENTION_KIND_NAMES.map((kind) => [kind, own[kind] === undefined ? defaults[kind] : own[kind]])) as RetentionDays;
    return { status: 200 as const, body: { days, defaults } };
  }

  return {
    getRetention: ({ principal }) => reply(principal.tenantId),

    async setRetention({ body, principal }) {
      await retention.set(principal.tenantId, body.days);
      return reply(principal.tenantId);
    },

    async getStorage({ principal }) {
      const kinds = await retention.storage(principal.tenantId);
      const sum = (of: "rows" | "bytes") => kinds.reduce((total, each) => total + each[of], 0);
      return { status: 200, body: { rows: sum("rows"), bytes: sum("bytes"), kinds } };
    },
  };
}
