import type { Page, Paged } from "./paging.ts";

/** Who somebody is at an identity provider. */
export interface Identity {
  issuer: string;
  subject: string;
  /** As the provider said it; null: it told of none that it had verified. */
  email: string | null;
}

/** An identity as its user sees it. */
export interface LinkedIdentity extends Pick<Identity, "issuer" | "email"> {
  id: string;
  createdAt: Date;
  lastUsedAt: Date;
}

/** Who users are at identity providers. They have no tenant: run under `perdure_system`. */
export interface Identities {
  /** The newest first. */
  list(userId: string, page: Page): Promise<Paged<LinkedIdentity>>;
  get(userId: string, id: string): Promise<LinkedIdentity | undefined>;
  /**
   * One that is theirs already stays as it is.
   * @param by `user`: they are signed in and ask for it; `address`: both sides know the same one.
   * @throws PerdureError `resource.conflict` where it is another user's; by `address` also where this user has unlinked it.
   */
  link(userId: string, identity: Identity, by: "user" | "address"): Promise<LinkedIdentity>;
  /**
   * A sign-in that is under way comes to nothing; sessions go on.
   * @param opensDoor whether who is known at this issuer can sign in by it.
   * @throws PerdureError `resource.conflict` where the account has neither a password nor another identity that opens the door, also when two go at once.
   */
  unlink(userId: string, id: string, opensDoor: (issuer: string) => boolean): Promise<LinkedIdentity | undefined>;
}
