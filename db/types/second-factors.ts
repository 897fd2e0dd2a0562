export interface SecondFactor {
  keyVersion: number;
  sealed: Buffer;
  confirmedAt: Date | null;
  recoveryCodesLeft: number;
}

/** TOTP secrets, sealed, and recovery codes, as hashes. They have no tenant: run under `perdure_system`. */
export interface SecondFactors {
  find(userId: string): Promise<SecondFactor | undefined>;
  /** Takes the place of one that was never confirmed. @returns false where a confirmed one stands. */
  enrol(userId: string, sealed: { keyVersion: number; sealed: Buffer }): Promise<boolean>;
  /** Turns it on, with these recovery codes. @returns false where it is on already, or the step is used up. */
  confirm(userId: string, step: number, codeHashes: readonly string[]): Promise<boolean>;
  /** Uses up the code of a time step and all before it; false where it was used. Exactly one of several calls gets true. */
  useStep(userId: string, step: number): Promise<boolean>;
  useRecoveryCode(userId: string, codeHash: string): Promise<boolean>;
  /** In place of all codes there were. */
  replaceRecoveryCodes(userId: string, codeHashes: readonly string[]): Promise<boolean>;
  remove(userId: string): Promise<boolean>;
}
